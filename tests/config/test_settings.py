"""graydns.yaml: what it loads as, and where its faults are said to be."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from graydns.config.address import ListenEndpoint, SystemResolvers, UnixSocket, UpstreamEndpoint
from graydns.config.settings import (
    AuditSettings,
    CacheSettings,
    ClientPrefixSettings,
    LimitSettings,
    ReloadSettings,
    StaleSettings,
    TenantSettings,
    TlsSettings,
    TrustSettings,
    UpstreamSettings,
)
from graydns.model.errors import ConfigError
from graydns.model.name import ROOT
from graydns.model.transport import TCP, TLS, UDP
from tests.config.files import MAIN, brief, faults_of_main, load_main, main_of

FAULTS = [
    ("limts: {}\n", "1:1 limts: the unknown key 'limts'", "'limits', or another one of listen, tls"),
    ("cache: {stale: {fro: 1d}}\n", "1:17 cache.stale.fro: the unknown key 'fro'", "'for', or another one of for"),
    ("limits: {max_pipelined: 010}\n", "1:25 limits.max_pipelined: '010'", "without leading zeros"),
    ("limits:\n  tcp_idle: 8\n", "2:13 limits.tcp_idle: '8'", "a duration from 100ms to 1h, in ms, s, m, h or d"),
    ("limits: {udp_payload: 4097}\n", "1:23 limits.udp_payload: '4097'", "a whole number from 512 to 4096"),
    ("limits: {udp_payload: 511}\n", "1:23 limits.udp_payload: '511'", "a whole number from 512 to 4096"),
    ("limits: []\n", "1:9 limits: an empty list", "a mapping with the keys max_connections"),
    ("limits:\n", "1:8 limits: null", "a mapping with the keys max_connections"),
    ("cache: {size: 64MB}\n", "1:15 cache.size: '64MB'", "a size from 64KiB to 1TiB, in B, KiB"),
    ("cache: {max_ttl: 8d}\n", "1:18 cache.max_ttl: '8d'", "whole seconds from 1s to 7d"),
    ("reload: {fail_fast_on_schema_error: yes}\n", "1:37 reload.fail_fast_on_schema_error: 'yes'", "true or false"),
    ("trust: {ecs: [10.0.0.1/8]}\n", "1:15 trust.ecs.0: '10.0.0.1/8'", "without host bits it is 10.0.0.0/8"),
    ("allow_forward:\n  - 10.0.0.0/8\n  - all\n", "3:5 allow_forward.1: 'all'", "a network such as"),
    ("allow_forward: {}\n", "1:16 allow_forward: an empty mapping", "a list ([] for an empty one)"),
    ("listen: []\n", "1:9 listen: an empty list", "at least one endpoint"),
    ('listen: ["udp://localhost:53"]\n', "1:10 listen.0: 'udp://localhost:53'", "an IP address"),
    (
        'listen: ["udp://127.0.0.1:53", "tls://127.0.0.1"]\n',
        "1:32 listen.1: tls://127.0.0.1:853",
        "'tls' with a certificate and key",
    ),
    (
        'listen: ["tcp://[::1]:53", "tcp://[0::1]"]\n',
        "1:28 listen.1: tcp://[::1]:53",
        "an address and port other than tcp://[::1]:53",
    ),
    ('http: "tcp://127.0.0.1:5300"\n', "1:7 http: tcp://127.0.0.1:5300", "an address and port other than"),
    ("admin: tls://127.0.0.1:1\n", "1:8 admin: tls://127.0.0.1:1", "'tls' with a certificate"),
    ("tls: {certificate: a}\n", "1:6 tls: no key 'key'", "'key', which is required"),
    ("upstreams: {default: {}}\n", "1:22 upstreams.default: no key 'servers'", "'servers' or 'resolver'"),
    ("upstreams: {default: {servers: []}}\n", "1:32 upstreams.default.servers: an empty list", "at least one server"),
    (
        "upstreams: {default: {servers: [tls://192.0.2.1]}}\n",
        "1:33 upstreams.default.servers.0: 'tls://192.0.2.1'",
        "tls://ADDRESS:PORT#NAME",
    ),
    ("upstreams: {default: {servers: system, deadline: 0s}}\n", "1:50 upstreams.default.deadline: '0s'", "from 10ms"),
    ("upstreams: {a: {servers: system}}\n", "1:1 forward..: the unknown upstream 'default'", "'upstreams' (a)"),
    ("forward: {a.test: nobody}\n", "1:19 forward.a.test: the unknown upstream 'nobody'", "'upstreams' (default)"),
    (
        "forward: {a.test: default, A.test.: default}\n",
        "1:28 forward.A.test.: 'A.test.' again in another spelling",
        "each name once",
    ),
    ("forward: {a..test: default}\n", "1:11 forward.a..test: 'a..test'", "a domain name such as"),
    ("tenants: {../t: {}}\n", "1:11 tenants.../t: '../t'", "a tenant's name"),
    (
        "tenants: {a: {clients: 10.0.0.0/8}, b: {clients: 10.0.0.0/8}}\n",
        "1:50 tenants.b.clients.0: 10.0.0.0/8, also of the tenant 'a'",
        "a network of one tenant",
    ),
    (
        "tenants: {a: {rules: [{name: x, then: {upstream: y}}]}}\n",
        "1:50 tenants.a.rules.0.then.upstream: the unknown upstream 'y'",
        "a name from 'upstreams'",
    ),
    (
        "tenants: {a: {rules: [{name: x, then: {block: nodata}}, {name: x, then: {block: nodata}}]}}\n",
        "1:64 tenants.a.rules.1.name: the rule 'x' again",
        "a name of its own",
    ),
    ("zones: ''\n", "1:8 zones: ''", "a path"),
    ("data: null\n", "1:7 data: null", "a path"),
]


def test_the_documented_file(tmp_path: Path) -> None:
    """The main file that users are shown loads as it is written."""
    config = main_of(tmp_path, MAIN)
    assert config.listen == (
        ListenEndpoint(UDP, "127.0.0.1", 5300),
        ListenEndpoint(TCP, "127.0.0.1", 5300),
        ListenEndpoint(TLS, "127.0.0.1", 8853),
    )
    assert config.tls == TlsSettings(tmp_path / "var/dot.crt", tmp_path / "var/dot.key", None)
    assert config.admin == UnixSocket(tmp_path / "var/admin.sock")
    assert config.http == ListenEndpoint(TCP, "127.0.0.1", 8053)
    assert (config.data, config.zones, config.geo) == (tmp_path / "var", tmp_path / "zones", None)
    assert config.limits == LimitSettings()
    assert config.cache == CacheSettings(64 << 20, 86_400, 3600, StaleSettings(86_400, 30, 0.0))
    assert config.upstreams == {"default": UpstreamSettings((SystemResolvers(),), 0.5, False, False)}
    assert config.forward == {ROOT: "default"}
    assert config.tenants == {
        "t-demo": TenantSettings((ip_network("10.0.0.0/8"),), (), 16 << 20, 1000, 200, ()),
    }
    assert config.file == tmp_path / "graydns.yaml"


def test_defaults_are_what_the_documented_file_says(tmp_path: Path) -> None:
    """Leaving everything out gives what the documented file writes out, but for TLS and tenants."""
    shown, bare = main_of(tmp_path, MAIN), main_of(tmp_path, "{}")
    assert bare.listen == shown.listen[:2]
    assert (bare.tls, bare.tenants) == (None, {})
    assert (bare.reload, bare.trust) == (ReloadSettings(), TrustSettings())
    for key in ("admin", "http", "data", "zones", "reload", "trust", "allow_forward", "limits", "cache", "forward"):
        assert getattr(bare, key) == getattr(shown, key)


def test_every_option(tmp_path: Path) -> None:
    """Options that the documented file leaves at null or out are read too."""
    config = main_of(
        tmp_path,
        """\
        listen: udp://[::1]:0
        tls: {certificate: /etc/c, key: k, client_ca: ca.pem}
        admin: null
        http: null
        zones: null
        geo: city.mmdb
        limits: {nsid: ns-1, tcp_idle: 250ms}
        upstreams:
          office: {servers: ["udp://192.0.2.53", "tls://192.0.2.54#dns.example"], ecs: true, tags: true}
        forward: {Corp.Test.: office}
        """,
    )
    assert config.listen == (ListenEndpoint(UDP, "::1", 0),)
    assert config.tls == TlsSettings(Path("/etc/c"), tmp_path / "k", tmp_path / "ca.pem")
    assert (config.admin, config.http, config.zones) == (None, None, None)
    assert config.geo == tmp_path / "city.mmdb"
    assert (config.limits.nsid, config.limits.tcp_idle) == ("ns-1", 0.25)
    servers = (UpstreamEndpoint(UDP, "192.0.2.53", 53), UpstreamEndpoint(TLS, "192.0.2.54", 853, "dns.example"))
    assert config.upstreams == {"office": UpstreamSettings(servers, 0.5, True, True)}
    assert config.forward == {b"\4corp\4test\0": "office"}


def test_audit(tmp_path: Path) -> None:
    """Absent or null: none. ``{}`` has all defaults; a path is taken from the file's folder."""
    assert main_of(tmp_path, "{}").audit is main_of(tmp_path, "audit: null").audit is None
    bare = main_of(tmp_path, "audit: {}").audit
    assert bare == AuditSettings(tmp_path / "var/audit.jsonl", 256 << 20, 14, "drop", ClientPrefixSettings(32, 128))
    text = "audit: {file: a, max_size: 64KiB, keep: 1, on_full: wait, client_prefix: {ipv4: 0}}"
    assert main_of(tmp_path, text).audit == AuditSettings(
        tmp_path / "a", 1 << 16, 1, "wait", ClientPrefixSettings(0, 128)
    )


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("audit: {on_full: block}", "1:18", "one of drop, wait"),
        ("audit: {keep: 0}", "1:15", "from 1 to 10000"),
        ("audit: {client_prefix: {ipv4: 33}}", "1:31", "from 0 to 32"),
        ("audit: {client_prefix: {ipv5: 3}}", "1:25", "another one of ipv4, ipv6"),
        ("audit: var/audit.jsonl", "1:8", "mapping"),
        ("admin_audit: {keep: 0}", "1:21", "from 1 to 100"),
    ],
)
def test_wrong_audit(tmp_path: Path, text: str, place: str, expected: str) -> None:
    """Like all faults, with its place."""
    (fault,) = faults_of_main(tmp_path, text)
    assert f"{fault.line}:{fault.column}" == place
    assert expected in fault.expected


@pytest.mark.parametrize(("text", "place", "expected"), FAULTS)
def test_faults(tmp_path: Path, text: str, place: str, expected: str) -> None:
    """Each fault names its line, column and path, what was found and what was expected."""
    (fault,) = faults_of_main(tmp_path, text)
    assert brief(fault) == place
    assert expected in fault.expected
    assert fault.file == str(tmp_path / "graydns.yaml")


def test_all_faults_at_once(tmp_path: Path) -> None:
    """Faults of strict YAML, of values and across keys come together, in the order of the file."""
    faults = faults_of_main(
        tmp_path,
        """\
        data: &d x
        limits: {max_inflight: 0, typo: 1}
        http: tcp://127.0.0.1:5300
        cache: {size: 1, size: 2, max_ttl: x}
        tenants: {t: {clients: [x, 10.0.0.0/8, y]}}
        listen: ["udp://127.0.0.1:5300", "tcp://127.0.0.1:5300"]
        """,
    )
    assert [brief(fault).split(":")[0] for fault in faults] == ["1", "2", "2", "3", "4", "4", "4", "5", "5"]


def test_an_alias_is_the_only_fault_of_its_place(tmp_path: Path) -> None:
    """What stands where an alias was is not judged a second time."""
    faults = faults_of_main(tmp_path, "data: &x var\nzones: *x\nlimits: {<<: {nsid: a}}\n")
    assert [brief(fault) for fault in faults] == [
        "1:7 data: the anchor &x",
        "2:8 zones: the alias *x",
        "3:10 limits.<<: a merge key",
    ]


def test_wrong_tls_does_not_fault_its_doors(tmp_path: Path) -> None:
    """A key that is wrong in itself is not also called missing."""
    (fault,) = faults_of_main(tmp_path, "listen: tls://127.0.0.1:0\ntls: {certificate: a, key: b, kye: c}\n")
    assert fault.path == ("tls", "kye")


def test_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are taken from the file's folder, wherever the process runs."""
    (tmp_path / "etc").mkdir()
    path = tmp_path / "etc" / "graydns.yaml"
    path.write_text("data: ../var\n")
    monkeypatch.chdir(tmp_path)
    config = load_main(Path("etc/graydns.yaml"))
    assert config.data == tmp_path / "etc" / "../var"
    assert config.file == path


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "link"])
def test_not_a_readable_file(tmp_path: Path, kind: str) -> None:
    """A file that is not there, or not a file, is one fault and holds nobody up."""
    path = tmp_path / "graydns.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(path)
    with pytest.raises(ConfigError) as caught:
        load_main(path)
    (fault,) = caught.value.issues
    assert (fault.file, fault.expected) == (str(path), "a readable file")


def test_too_large(tmp_path: Path) -> None:
    """A file over 64 MiB is refused without being read into memory whole."""
    path = tmp_path / "graydns.yaml"
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(ConfigError, match="at most 64 MiB"):
        load_main(path)
