"""The section ``consul:``: what it loads as, and where its faults are said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.config.consul_settings import (
    ConsulPolicySettings,
    ConsulSettings,
    ConsulTlsSettings,
    PolicyKeySettings,
    Secret,
)
from graydns.control.reports.plain_data import to_plain
from graydns.model.name import from_text
from tests.config.files import brief, faults_of_main, main_of

PUBLIC = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

EVERY_KEY = f"""\
consul:
  address: https://consul.test:8501
  tls: {{ca: ca.pem, certificate: c.pem, key: /etc/k.pem}}
  token_file: consul.token
  datacenter: DC1
  domain: consul.
  name_servers: [ns1.Corp.test., ns.consul]
  only_passing: true
  service_ttl: {{"*": 5s, api: 1s, Web*: 2}}
  policy:
    {{prefix: gray/, tenant: t-demo, keys: [{{id: k1, ed25519: "{PUBLIC}"}}, {{id: k0, hmac_sha256_file: k0.key}}]}}
  stale_after: 1m
"""

FAULTS = [
    ("{adress: x}", "1:10 consul.adress: the unknown key 'adress'", "'address', or another one of address, tls, token"),
    ("{address: 127.0.0.1:8500}", "1:19 consul.address: '127.0.0.1:8500'", "http://HOST:PORT or https://HOST:PORT"),
    ("{address: 'http://a/v1'}", "1:19 consul.address: 'http://a/v1'", "without a path"),
    ("{address: 'http://a:65536'}", "1:19 consul.address: 'http://a:65536'", "http://HOST:PORT"),
    ("{address: 'http://[::g]:1'}", "1:19 consul.address: 'http://[::g]:1'", "IPv6 in brackets"),
    ("{tls: {}}", "1:10 consul.tls: 'tls' for http://127.0.0.1:8500", "an 'address' that begins with https://"),
    (
        "{address: 'https://a', tls: {key: k}}",
        "1:38 consul.tls.key: 'key' without 'certificate'",
        "both of them, or none",
    ),
    ("{token: 'a b'}", "1:17 consul.token: something else", "a token of 1 to 255 printable ASCII characters"),
    ("{token: a, token_file: b}", "1:10 consul.token: 'token' beside 'token_file'", "only one of them"),
    ("{datacenter: a.b}", "1:22 consul.datacenter: 'a.b'", "a datacenter's name of 1 to 63"),
    (f"{{datacenter: {'d' * 64}}}", f"1:22 consul.datacenter: '{'d' * 59}…'", "a datacenter's name of 1 to 63"),
    (f"{{domain: {'d.' * 77}}}", "1:18 consul.domain: a name of 155 octets", "at most 153"),
    ("{domain: a..b}", "1:18 consul.domain: 'a..b'", "a domain name"),
    ("{only_passing: yes}", "1:24 consul.only_passing: 'yes'", "true or false"),
    ("{service_ttl: {a*b: 1s}}", "1:24 consul.service_ttl.a*b: 'a*b'", "the beginning of one with * after it"),
    ("{service_ttl: {a: 2d}}", "1:27 consul.service_ttl.a: '2d'", "whole seconds from 0s to 1d"),
    ("{service_ttl: {a: 1, A: 1}}", "1:30 consul.service_ttl.A: 'A' again in another spelling", "each name once"),
    ("{stale_after: 100ms}", "1:23 consul.stale_after: '100ms'", "a duration from 1s to 7d"),
    ("{policy: {}}", "1:18 consul.policy: no 'keys'", "or 'unsigned: true'"),
    ("{policy: {keys: []}}", "1:18 consul.policy: no 'keys'", "or 'unsigned: true'"),
    (
        f"{{policy: {{unsigned: true, keys: [{{id: a, ed25519: '{PUBLIC}'}}]}}}}",
        "1:19 consul.policy.unsigned: 'unsigned: true' beside 'keys'",
        "only one of them",
    ),
    ("{policy: {prefix: /a/, unsigned: true}}", "1:27 consul.policy.prefix: '/a/'", "a prefix of keys such as gray/"),
    ("{policy: {prefix: a, unsigned: true}}", "1:27 consul.policy.prefix: 'a'", "with / at its end only"),
    ("{policy: {tenant: a.b, unsigned: true}}", "1:27 consul.policy.tenant: 'a.b'", "a tenant's name"),
    ("{policy: {keys: [{id: a}]}}", "1:26 consul.policy.keys.0: none of them", "exactly one of 'ed25519'"),
    ("{policy: {keys: [{id: a, ed25519: AAAA}]}}", "1:43 consul.policy.keys.0.ed25519: 'AAAA'", "32 octets in base64"),
    (
        f"{{policy: {{keys: [{{id: a, ed25519: '{PUBLIC[:-2]}p='}}]}}}}",
        f"1:43 consul.policy.keys.0.ed25519: '{PUBLIC[:-2]}p='",
        "32 octets in base64",
    ),
    (
        "{policy: {keys: [{id: a, hmac_sha256_file: x}, {id: a, hmac_sha256_file: y}]}}",
        "1:61 consul.policy.keys.1.id: the key 'a' again",
        "an id of its own",
    ),
]


def consul_of(folder: Path, text: str) -> ConsulSettings:
    """What a section loads as."""
    consul = main_of(folder, text).consul
    assert consul is not None
    return consul


def test_every_key(tmp_path: Path) -> None:
    """All keys have their types; paths are taken from the file's folder; names are in lower case."""
    assert consul_of(tmp_path, EVERY_KEY) == ConsulSettings(
        address="https://consul.test:8501",
        tls=ConsulTlsSettings(tmp_path / "ca.pem", tmp_path / "c.pem", Path("/etc/k.pem")),
        token_file=tmp_path / "consul.token",
        datacenter="dc1",
        domain=from_text("consul"),
        name_servers=(from_text("ns1.corp.test"), from_text("ns.consul")),
        only_passing=True,
        service_ttl={"*": 5, "api": 1, "web*": 2},
        policy=ConsulPolicySettings(
            prefix="gray/",
            tenant="t-demo",
            keys=(
                PolicyKeySettings(
                    "k1", bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
                ),
                PolicyKeySettings("k0", None, tmp_path / "k0.key"),
            ),
        ),
        stale_after=60.0,
    )


def test_no_section_and_an_empty_one(tmp_path: Path) -> None:
    """Without the section there is no ConsulSettings; an empty one is the agent on this machine, without policies."""
    assert main_of(tmp_path).consul is None
    assert consul_of(tmp_path, "consul: {}") == ConsulSettings()
    assert ConsulSettings().policy is None


def test_unsigned_policies(tmp_path: Path) -> None:
    """Whoever says so gets policies that nobody signs."""
    assert consul_of(tmp_path, "consul: {policy: {unsigned: true}}").policy == ConsulPolicySettings(unsigned=True)


def test_ttls(tmp_path: Path) -> None:
    """A service's own TTL counts, else that of the longest pattern, else 5 s; letter case does not."""
    consul = consul_of(tmp_path, "consul: {service_ttl: {api: 1s, w*: 2s, web-*: 3s}}")
    assert [consul.ttl_of(name) for name in ("API", "api2", "w", "WEB-a", "web")] == [1, 5, 2, 3, 2]
    assert consul_of(tmp_path, 'consul: {service_ttl: {"*": 0}}').ttl_of("x") == 0


def test_a_token_is_not_shown(tmp_path: Path) -> None:
    """Neither errors, nor logs, nor ``config show`` have the token in them."""
    config = main_of(tmp_path, "consul: {token: s3cret}")
    assert config.consul is not None
    assert config.consul.token == Secret("s3cret")
    assert "s3cret" not in repr(config) + str(to_plain(config.consul))
    (fault,) = faults_of_main(tmp_path, "consul: {token: 's3cret x'}")
    assert "s3cret" not in str(fault)


@pytest.mark.parametrize(("text", "place", "expected"), FAULTS)
def test_faults(tmp_path: Path, text: str, place: str, expected: str) -> None:
    """Each has its place, what was found and what was expected."""
    (fault,) = faults_of_main(tmp_path, f"consul: {text}\n")
    assert brief(fault) == place
    assert expected in fault.expected
