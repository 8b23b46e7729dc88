"""Where a name stands in a zone: the walk from the apex down (RFC 1034 section 4.3.2 step 3, RFC 4592, RFC 6672).

A delegation or a DNAME above a name decides before anything at it; a name that does not exist is the wildcard's
of its closest encloser, the longest existing name above it.
"""

from __future__ import annotations

from attrs import frozen

from graydns.authority.zone_data import StoredRRset, Zone, ZoneNode
from graydns.model.dns_parameters import DNAME, NS


@frozen(eq=False)
class ExactMatch:
    """The name exists."""

    node: ZoneNode


@frozen(eq=False)
class WildcardMatch:
    """The name does not exist and takes the records of a wildcard."""

    node: ZoneNode


@frozen(eq=False)
class DelegationMatch:
    """The name is at or below a delegation: *owner* has the NS records of *node*."""

    owner: bytes
    node: ZoneNode


@frozen(eq=False)
class DnameRedirect:
    """The name is below *owner*, which has a DNAME."""

    owner: bytes
    dname: StoredRRset


@frozen
class NameErrorMatch:
    """The name does not exist and no wildcard covers it."""


LookupResult = ExactMatch | WildcardMatch | DelegationMatch | DnameRedirect | NameErrorMatch


def search_zone(zone: Zone, name: bytes) -> LookupResult:
    """The place of *name*, which is *zone*'s origin or below it."""
    encloser, node = zone.origin, zone.apex
    for at in reversed(_label_starts(name, len(name) - len(zone.origin))):
        if DNAME in node:
            return DnameRedirect(encloser, node[DNAME])
        below = zone.node(name[at:])
        if below is None:
            wild = zone.node(b"\1*" + encloser)
            return NameErrorMatch() if wild is None else WildcardMatch(wild)
        encloser, node = name[at:], below
        if NS in node:
            return DelegationMatch(encloser, node)
    return ExactMatch(node)


def _label_starts(name: bytes, end: int) -> list[int]:
    """Offsets of the labels of *name* before *end*."""
    starts, at = [], 0
    while at < end:
        starts.append(at)
        at += 1 + name[at]
    return starts
