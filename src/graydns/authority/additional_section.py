"""The additional section: addresses of the hosts that records of ours name (RFC 1034 section 4.3.2 step 6).

Addresses come from the zone that answers, never from another one, so that an answer has one Origin; and never from
names under release control or touched by rules, whose addresses differ by client.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graydns.authority.local_answer import Decide
from graydns.authority.zone_data import Zone, ZoneNode
from graydns.authority.zone_search import DelegationMatch, ExactMatch, search_zone
from graydns.model.answer import ADDITIONAL
from graydns.model.decision import Decision, DecisionKind
from graydns.model.dns_parameters import AAAA, HTTPS, IN, MX, NS, SRV, SVCB, A
from graydns.model.name import ROOT, is_within
from graydns.wire.answer_body import RRset

#: Octets of rdata before the name of the host. The zone's rdata was written by dnspython, uncompressed.
_TARGET_OFFSET = {NS: 0, MX: 2, SRV: 6, SVCB: 2, HTTPS: 2}

#: Hosts looked up per answer: a bound on the work one question can ask for.
_MAX_HOSTS = 32


def list_target_hosts(owner: bytes, rdtype: int, rdatas: Sequence[bytes]) -> list[bytes]:
    """The hosts that the records name, lowered, each once."""
    at = _TARGET_OFFSET.get(rdtype)
    if at is None:
        return []
    found = dict.fromkeys(_read_name(rdata, at).lower() for rdata in rdatas[:_MAX_HOSTS])
    if rdtype in (SVCB, HTTPS) and ROOT in found:
        # A target of "." is the owner itself (RFC 9460 section 2.5.2).
        found[owner] = found.pop(ROOT)
    return list(found)


def find_addresses(zone: Zone, names: Sequence[bytes], decide: Decide) -> Iterator[RRset]:
    """The addresses that *zone* has for *names*, none of them required."""
    for name in names:
        if not is_within(name, zone.origin) or name in zone.services:
            continue
        place = search_zone(zone, name)
        if isinstance(place, ExactMatch):
            found = place.node
        elif isinstance(place, DelegationMatch):
            found = zone.node(name) or {}
        else:
            continue
        for rrset in _address_rrsets(name, found, required=False):
            if _is_same_for_all(decide(name, rrset.rdtype)):
                yield rrset


def find_glue(zone: Zone, owner: bytes, names: Sequence[bytes], decide: Decide) -> Iterator[RRset]:
    """Addresses for a referral to *owner*: those of servers within it, without which it cannot be followed, are
    required (RFC 9471 section 3.1) and stand first, so that what is optional is left out before them."""
    within = [name for name in names if is_within(name, owner)]
    for name in within:
        yield from _address_rrsets(name, zone.node(name) or {}, required=True)
    yield from find_addresses(zone, [name for name in names if name not in within], decide)


def _address_rrsets(name: bytes, node: ZoneNode, *, required: bool) -> Iterator[RRset]:
    for rdtype in (A, AAAA):
        if rdtype in node:
            yield RRset(ADDITIONAL, name, rdtype, IN, *node[rdtype], required=required)


def _is_same_for_all(decision: Decision) -> bool:
    return decision.kind is DecisionKind.PLAIN and not decision.varies and decision.ttl_cap is None


def _read_name(rdata: bytes, at: int) -> bytes:
    """The name that starts at *at*; service bindings have more after it."""
    end = at
    while rdata[end]:
        end += 1 + rdata[end]
    return rdata[at : end + 1]
