"""Faults of what a zone's trust hangs on: its parent's DS RRset and its own DNSKEY RRset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dns.rcode
from dns.rdata import Rdata
from dns.rdatatype import DNSKEY, DS, RRSIG, SOA, RdataType

from tests.dnssec.world.editing import Message, apex_denial, fail, flipped, made
from tests.dnssec.world.faults import fault
from tools.signed.keys import make_key
from tools.signed.zone import Zone


@fault("ds", denial=True)
def strip_ds(reply: Message, zone: Zone) -> None:
    """No DS, and no proof of it."""
    reply.answer.clear()


@fault("ds")
def strip_ds_signature(reply: Message, zone: Zone) -> None:
    reply.answer[:] = [each for each in reply.answer if each.rdtype != RRSIG]


@fault("ds")
def child_denies_ds(reply: Message, zone: Zone) -> None:
    """No DS; the proof is the child's own."""
    reply.answer.clear()
    reply.authority[:] = [*zone.rrset(zone.origin, SOA), *apex_denial(zone)]


@fault("ds")
def deny_delegation(reply: Message, zone: Zone) -> None:
    """No such name, and no proof of it."""
    reply.answer.clear()
    reply.set_rcode(dns.rcode.NXDOMAIN)


@fault("ds")
def alter_ds(reply: Message, zone: Zone) -> None:
    _replace(reply, DS, lambda each: each.replace(digest=flipped(each.digest)))


@fault("ds")
def downgrade_ds(reply: Message, zone: Zone) -> None:
    """An algorithm that nobody has: insecure, were it signed."""
    _replace(reply, DS, lambda each: each.replace(algorithm=100))


@fault("ds")
def fail_ds(reply: Message, zone: Zone) -> None:
    fail(reply)


@fault("keys")
def strip_keys(reply: Message, zone: Zone) -> None:
    reply.answer.clear()


@fault("keys")
def strip_keys_signature(reply: Message, zone: Zone) -> None:
    reply.answer[:] = [each for each in reply.answer if each.rdtype != RRSIG]


@fault("keys")
def alter_keys_signature(reply: Message, zone: Zone) -> None:
    _replace(reply, RRSIG, lambda each: each.replace(signature=flipped(each.signature)))


@fault("keys")
def alter_keys(reply: Message, zone: Zone) -> None:
    _replace(reply, DNSKEY, lambda each: each.replace(key=flipped(each.key)))


@fault("keys")
def add_key(reply: Message, zone: Zone) -> None:
    """One more, which the signature does not cover."""
    other = make_key(f"{zone.origin} other", 13).dnskey
    changed = [made(each.name, each.ttl, [*each, other]) if each.rdtype == DNSKEY else each for each in reply.answer]
    reply.answer[:] = changed


@fault("keys")
def replace_keys(reply: Message, zone: Zone) -> None:
    """Keys of somebody else's."""
    other = make_key(f"{zone.origin} other", 13).dnskey
    _replace(reply, DNSKEY, lambda each: other)


@fault("keys")
def fail_keys(reply: Message, zone: Zone) -> None:
    fail(reply)


def _replace(reply: Message, rdtype: RdataType, change: Callable[[Any], Rdata]) -> None:
    """Change the records of *rdtype*."""
    reply.answer[:] = [
        made(each.name, each.ttl, [change(rdata) for rdata in each]) if each.rdtype == rdtype else each
        for each in reply.answer
    ]
