"""What a name below Consul's domain stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.authority.consul.place import (
    Elsewhere,
    Empty,
    Nothing,
    OfAddress,
    OfNode,
    OfService,
    Place,
    place,
    spelled,
)
from graydns.model.name import from_text

DOMAIN = from_text("consul.test")

_words = st.sampled_from(
    ["service", "node", "addr", "query", "dc1", "dc2", "web", "_web", "_tcp", "_", "v1", "0a000001"]
)
_labels = st.lists(st.one_of(_words.map(str.encode), st.binary(min_size=1, max_size=63)), max_size=6)


def _place(text: str, datacenter: str = "dc1") -> Place:
    return place(from_text(f"{text}.consul.test"), DOMAIN, datacenter)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web.service", OfService("web")),
        ("web.service.dc1", OfService("web")),
        ("a.b.web.service", OfService("web", "a.b")),
        ("_web._v1.service", OfService("web", "v1")),
        ("_web._tcp", OfService("web")),
        ("_web._udp.dc1", OfService("web", "udp")),
        ("web.service.service", OfService("service", "web")),
        (r"\..service", Nothing()),
        (r"\.\..service", Nothing()),
        (r"x.\.\..service", Nothing()),
        (r"\.\..node", Nothing()),
        (r"_\.\.._tcp", Nothing()),
        (r"\.\.\..service", OfService("...")),
        ("a.b.node", OfNode("a.b")),
        ("0a000001.addr", OfAddress(bytes((10, 0, 0, 1)))),
        (f"{'0' * 31}1.addr.dc1", OfAddress(bytes(15) + b"\1")),
        ("service", Empty()),
        ("node.dc1", Empty()),
        ("dc1", Empty()),
        ("_tcp", Empty()),
        ("_tcp.service.dc1", Empty()),
        ("web", Nothing()),
        ("web.service.dc1.dc1", Nothing()),
        ("_a._b._c.service", Nothing()),
        ("web._tcp.service", Nothing()),
        ("_._tcp.service", Nothing()),
        ("0a00001.addr", Nothing()),
        ("xx000001.addr", Nothing()),
        ("web.service.dc2", Elsewhere(foreign=True)),
        ("web.query", Elsewhere(foreign=False)),
        ("api:v1.service", OfService("api:v1")),
        ("a/b.service", OfService("a/b")),
        ("v1.a/.service", OfService("a/", "v1")),
        ("p%41.node", OfNode("p%41")),
        (r"_\.\.._tcp.service", Nothing()),
        (r"\..a.node", OfNode("..a")),
        ("/a.service", Nothing()),
        (r"a/\.\./b.service", Nothing()),
        ("a//b.node", Nothing()),
        (r"a\009b.service", Nothing()),
        (r"a\032b.service", OfService("a b")),
    ],
)
def test_forms(text: str, expected: Place) -> None:
    """Every form that Consul knows, and those that are none."""
    assert _place(text) == expected


def test_datacenters_have_no_letter_case() -> None:
    """A configured name is compared as names are."""
    assert _place("web.service.dc1", "DC1") == OfService("web")


@given(_labels)
def test_any_name_has_a_place(labels: list[bytes]) -> None:
    """Whatever clients ask for; and what is asked of the catalog is text that the name has in it."""
    whole = b"".join(bytes((len(label),)) + label.lower() for label in labels) + DOMAIN
    found = place(whole, DOMAIN, "dc1")
    if isinstance(found, OfService):
        assert found.service.encode() in whole


@given(st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)))
def test_spelled_addresses_are_read_again(address: bytes) -> None:
    """What an SRV record names can be asked for."""
    label = spelled(address)
    name = bytes((len(label),)) + label + b"\4addr" + DOMAIN
    assert place(name, DOMAIN, "dc1") == OfAddress(address)
