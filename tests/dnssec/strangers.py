"""What an attacker writes, and the signatures that he puts beside it: his own, and others that he has seen."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import dns.rrset
from dns.name import Name

from tests.dnssec.answering import ds_of, rrset
from tests.dnssec.signing import EXPIRATION, INCEPTION, Zone

#: The attacker's key, which nothing vouches for. He may give it any name.
_STRANGER = 99

#: What he would have believed, where it does not depend on the name.
_FALSE = {
    "A": "192.0.2.66",
    "TXT": "false",
    "NS": "ns.evil.",
    "SOA": "ns.evil. admin.evil. 1 2 3 4 5",
    "MX": "1 mx.evil.",
}


class Signer(NamedTuple):
    """A signature that the attacker has: *zone* is whose it is said to be, and the number of the key.

    *fits*: whether it was made over the records that it is put beside.
    """

    zone: Zone
    inception: int = INCEPTION
    expiration: int = EXPIRATION
    fits: bool = True


def stranger(zone: Name) -> Zone:
    """The attacker, as if he were *zone*."""
    return Zone(str(zone), number=_STRANGER)


@cache
def signature(signer: Signer, text: str) -> dns.rrset.RRset:
    """To stand beside the RRset *text*."""
    made = signer.zone.signed(rrset(text), signer.inception, signer.expiration)
    if signer.fits:
        return made
    (rrsig,) = made
    return dns.rrset.from_rdata(made.name, made.ttl, rrsig.replace(signature=rrsig.signature[::-1]))


def falsehood(name: Name, rdtype: str) -> str:
    """Records that no name has, as text; keys and digests of the attacker's."""
    his = stranger(name)
    match rdtype:
        case "DS":
            return ds_of(his)
        case "DNSKEY":
            return f"{name} DNSKEY {his.dnskey.to_text()}"
        case "CNAME" | "DNAME":
            return f"{name} {rdtype} www.evil."
    return f"{name} {rdtype} {_FALSE[rdtype]}"
