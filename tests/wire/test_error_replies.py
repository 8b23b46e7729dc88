from __future__ import annotations

import dns.message
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import pytest

from graydns.model.query import Query
from graydns.wire.parse import parse_query
from graydns.wire.render import make_badkey_reply
from tests.wire.samples import anyone

KEYS = dns.tsigkeyring.from_text({"Key.test.": "c2VjcmV0"})


def signed() -> Query:
    message = dns.message.make_query("www.shop.test.", "A", use_edns=0)
    message.use_tsig(KEYS)
    return parse_query(message.to_wire(), anyone)


def test_bad_key() -> None:
    """The reply is NOTAUTH, unsigned, and its TSIG names the asker's key and algorithm with the error BADKEY."""
    query = signed()
    reply = dns.message.from_wire(make_badkey_reply(query, 1232), keyring=False, continue_on_error=True)
    assert reply.rcode() == dns.rcode.NOTAUTH
    assert reply.id == query.id
    assert len(reply.question) == 1
    with pytest.raises(dns.tsig.PeerBadKey):
        dns.message.from_wire(make_badkey_reply(query, 1232), keyring=KEYS, request_mac=b"")


def test_no_sense() -> None:
    """A TSIG record that cannot be read is FORMERR."""
    wire = signed().wire
    assert wire[-6:] == wire[:2] + bytes(4)
    broken = parse_query(wire[:-1] + b"\1", anyone)
    reply = dns.message.from_wire(make_badkey_reply(broken, 1232))
    assert (reply.rcode(), reply.edns) == (dns.rcode.FORMERR, 0)
