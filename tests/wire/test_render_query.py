from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import pytest

from graydns.wire import edns
from graydns.wire.render import render_query
from tests.wire.samples import QNAME


@pytest.mark.parametrize(
    ("desired", "disabled", "dnssec_ok"), [(True, False, True), (False, True, False), (False, False, True)]
)
def test_ask(desired: bool, disabled: bool, dnssec_ok: bool) -> None:
    """A query asks what it is told to, with exactly the flags and options it is given."""
    wire = render_query(
        4711,
        QNAME + b"\0\x1c\0\1",
        recursion_desired=desired,
        checking_disabled=disabled,
        dnssec_ok=dnssec_ok,
        payload=1400,
        options=edns.encode_option(edns.COOKIE, b"8 octets"),
    )
    message = dns.message.from_wire(wire)
    assert message.id == 4711
    assert message.flags == (dns.flags.RD if desired else 0) | (dns.flags.CD if disabled else 0)
    assert message.question[0].to_text() == "www.shop.test. IN AAAA"
    assert (message.edns, message.payload) == (0, 1400)
    assert message.ednsflags == (dns.flags.DO if dnssec_ok else 0)
    assert message.options == (dns.edns.CookieOption(b"8 octets", b""),)
