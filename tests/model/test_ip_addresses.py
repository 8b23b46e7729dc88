"""What a registered address is: for Consul's domain and for versions alike."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from dns.rdatatype import AAAA, CNAME, A
from hypothesis import given
from hypothesis import strategies as st

from graydns.model.catalog import host_record
from graydns.model.name import from_text


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.5", (A, bytes((192, 0, 2, 5)))),
        ("2001:db8::5", (AAAA, ip_address("2001:db8::5").packed)),
        ("::ffff:192.0.2.5", (A, bytes((192, 0, 2, 5)))),
        ("Web.Example.COM", (CNAME, from_text("web.example.com"))),
        ("bücher.example.", (CNAME, from_text("xn--bcher-kva.example"))),
        ("4.example", (CNAME, from_text("4.example"))),
        ("4a", (CNAME, from_text("4a"))),
        ("fe80::1%eth0", None),
        ("::ffff:192.0.2.5%1", None),
        ("010.8.5.1", None),
        ("300.1.2.3.", None),
        ("10.0.0.1:80", None),
        ("[2001:db8::5]:80", None),
        ("host%eth0", None),
        ("", None),
        (".", None),
        ("...", None),
        ("a..b", None),
        ("x" * 64, None),
        ("x." * 128, None),
    ],
)
def test_what_an_address_is(host: str, expected: tuple[int, bytes] | None) -> None:
    """An address, a name, or neither: what only looks like an address leads nowhere as a name."""
    assert host_record(host) == expected


@given(st.one_of(st.text(), st.ip_addresses().map(str), st.from_regex(r"[0-9a-f.:%]{1,20}", fullmatch=True)))
def test_whatever_is_registered_is_read(host: str) -> None:
    """Nothing is raised, and what comes out can stand in a record."""
    if (found := host_record(host)) is not None:
        rdtype, rdata = found
        assert len(rdata) == {int(A): 4, int(AAAA): 16}.get(rdtype, len(rdata))
        assert rdtype != CNAME or (rdata.endswith(b"\0") and 2 < len(rdata) <= 255)
