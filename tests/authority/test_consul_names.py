"""What a name below Consul's domain stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.authority.consul.consul_names import (
    ConsulAddressName,
    ConsulName,
    ConsulNodeName,
    ConsulServiceName,
    EmptyNonTerminal,
    NonexistentName,
    UnsupportedLookup,
    encode_address_label,
    parse_consul_name,
)
from graydns.model.name import from_text

DOMAIN = from_text("consul.test")

_words = st.sampled_from(
    ["service", "node", "addr", "query", "dc1", "dc2", "web", "_web", "_tcp", "_", "v1", "0a000001"]
)
_labels = st.lists(st.one_of(_words.map(str.encode), st.binary(min_size=1, max_size=63)), max_size=6)


def _place(text: str, datacenter: str = "dc1") -> ConsulName:
    return parse_consul_name(from_text(f"{text}.consul.test"), DOMAIN, datacenter)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web.service", ConsulServiceName("web")),
        ("web.service.dc1", ConsulServiceName("web")),
        ("a.b.web.service", ConsulServiceName("web", "a.b")),
        ("_web._v1.service", ConsulServiceName("web", "v1")),
        ("_web._tcp", ConsulServiceName("web")),
        ("_web._udp.dc1", ConsulServiceName("web", "udp")),
        ("web.service.service", ConsulServiceName("service", "web")),
        (r"\..service", NonexistentName()),
        (r"\.\..service", NonexistentName()),
        (r"x.\.\..service", NonexistentName()),
        (r"\.\..node", NonexistentName()),
        (r"_\.\.._tcp", NonexistentName()),
        (r"\.\.\..service", ConsulServiceName("...")),
        ("a.b.node", ConsulNodeName("a.b")),
        ("0a000001.addr", ConsulAddressName(bytes((10, 0, 0, 1)))),
        (f"{'0' * 31}1.addr.dc1", ConsulAddressName(bytes(15) + b"\1")),
        ("service", EmptyNonTerminal()),
        ("node.dc1", EmptyNonTerminal()),
        ("dc1", EmptyNonTerminal()),
        ("_tcp", EmptyNonTerminal()),
        ("_tcp.service.dc1", EmptyNonTerminal()),
        ("web", NonexistentName()),
        ("web.service.dc1.dc1", NonexistentName()),
        ("_a._b._c.service", NonexistentName()),
        ("web._tcp.service", NonexistentName()),
        ("_._tcp.service", NonexistentName()),
        ("0a00001.addr", NonexistentName()),
        ("xx000001.addr", NonexistentName()),
        ("web.service.dc2", UnsupportedLookup(is_other_datacenter=True)),
        ("web.query", UnsupportedLookup(is_other_datacenter=False)),
        ("api:v1.service", ConsulServiceName("api:v1")),
        ("a/b.service", ConsulServiceName("a/b")),
        ("v1.a/.service", ConsulServiceName("a/", "v1")),
        ("p%41.node", ConsulNodeName("p%41")),
        (r"_\.\.._tcp.service", NonexistentName()),
        (r"\..a.node", ConsulNodeName("..a")),
        ("/a.service", NonexistentName()),
        (r"a/\.\./b.service", NonexistentName()),
        ("a//b.node", NonexistentName()),
        (r"a\009b.service", NonexistentName()),
        (r"a\032b.service", ConsulServiceName("a b")),
    ],
)
def test_forms(text: str, expected: ConsulName) -> None:
    """Every form that Consul knows, and those that are none."""
    assert _place(text) == expected


def test_datacenters_have_no_letter_case() -> None:
    """A configured name is compared as names are."""
    assert _place("web.service.dc1", "DC1") == ConsulServiceName("web")


@given(_labels)
def test_any_name_has_a_place(labels: list[bytes]) -> None:
    """Whatever clients ask for; and what is asked of the catalog is text that the name has in it."""
    whole = b"".join(bytes((len(label),)) + label.lower() for label in labels) + DOMAIN
    found = parse_consul_name(whole, DOMAIN, "dc1")
    if isinstance(found, ConsulServiceName):
        assert found.service.encode() in whole


@given(st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)))
def test_spelled_addresses_are_read_again(address: bytes) -> None:
    """What an SRV record names can be asked for."""
    label = encode_address_label(address)
    name = bytes((len(label),)) + label + b"\4addr" + DOMAIN
    assert parse_consul_name(name, DOMAIN, "dc1") == ConsulAddressName(address)
