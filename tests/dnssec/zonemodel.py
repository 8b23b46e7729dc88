"""A small zone, what is true in it and the NSEC and NSEC3 chains it would have, worked out without graydns.

Names are those of dnspython, which bring their own canonical order and their own hash.
"""

from __future__ import annotations

import base64
from bisect import bisect_right
from enum import Enum
from functools import cache, cached_property
from itertools import pairwise

import dns.dnssec
import dns.name
import dns.rdatatype
from attrs import field, frozen
from dns.name import Name

STAR = dns.name.Name((b"*",))


class Truth(Enum):
    """What a name is to a zone."""

    HERE = "here"  # a name of the zone, with data or without
    NOWHERE = "nowhere"
    ELSEWHERE = "elsewhere"  # below a delegation or a DNAME


@frozen(eq=False)
class ZoneModel:
    """*nodes*: the types at each owner, RRSIG, NSEC and such left out. The apex is among them.

    *omitted*: unsigned delegations that NSEC3 opts out of, where *opt_out*. *flagged*: whether each NSEC3 has the
    opt-out flag, or only those that need it.
    """

    apex: Name
    nodes: dict[Name, frozenset[str]]
    opt_out: bool = False
    flagged: bool = False
    omitted: frozenset[Name] = frozenset()
    iterations: int = 0
    salt: bytes = field(default=b"")

    def is_cut(self, name: Name) -> bool:
        """Whether it is a delegation."""
        return name != self.apex and "NS" in self.nodes.get(name, ())

    def hides_below(self, name: Name) -> bool:
        return self.is_cut(name) or "DNAME" in self.nodes.get(name, ())

    def above(self, name: Name) -> tuple[Name, ...]:
        """The names above *name* in the zone, the apex last."""
        return _above(self.apex, name)

    @cached_property
    def owners(self) -> list[Name]:
        """Those with records that the zone answers for, or delegates, in canonical order."""
        return sorted(name for name in self.nodes if not any(map(self.hides_below, self.above(name))))

    @cached_property
    def names(self) -> frozenset[Name]:
        """Every name of the zone, empty non-terminals too."""
        return frozenset(self.owners) | {upper for owner in self.owners for upper in self.above(owner)}

    def truth(self, name: Name) -> Truth:
        if any(map(self.hides_below, self.above(name))):
            return Truth.ELSEWHERE
        return Truth.HERE if name in self.names else Truth.NOWHERE

    def encloser(self, name: Name) -> Name:
        """The closest encloser of *name*, which is not in the zone."""
        return next(upper for upper in self.above(name) if upper in self.names)

    def closer(self, name: Name) -> Name:
        """The name one label longer than the closest encloser of *name*."""
        count = len(self.encloser(name).labels) + 1
        return Name(name.labels[-count:])

    def wildcard(self, name: Name) -> Name:
        return STAR.concatenate(self.encloser(name))

    def lacks(self, name: Name, rdtype: str) -> bool:
        """Whether *name*, one of the zone, has no such records as far as the zone can tell."""
        types = self.nodes.get(name, frozenset())
        if rdtype == "DS":
            return (name != self.apex or name == dns.name.root) and not types & {"DS", "CNAME"}
        return not self.is_cut(name) and not types & {rdtype, "CNAME"}

    def nodata(self, name: Name, rdtype: str) -> bool:
        """Whether "no such data" is a true answer of this zone."""
        match self.truth(name):
            case Truth.HERE:
                return self.lacks(name, rdtype)
            case Truth.NOWHERE:
                return self.wildcard(name) in self.names and self.lacks(self.wildcard(name), rdtype)
        return False

    def nxdomain(self, name: Name) -> bool:
        """Whether "no such name" is."""
        return self.truth(name) is Truth.NOWHERE and self.wildcard(name) not in self.names

    @cached_property
    def nsec(self) -> list[str]:
        """The NSEC chain, as text."""
        lines = []
        for owner, following in zip(self.owners, self.owners[1:] + self.owners[:1], strict=True):
            types = " ".join(sorted(self.nodes[owner] | {"RRSIG", "NSEC"}))
            lines.append(f"{owner} NSEC {following} {types}")
        return lines

    def nsec_at(self, name: Name) -> str:
        """The NSEC of *name*, or the one in whose gap it is."""
        return self.nsec[bisect_right(self.owners, name) - 1]

    @cached_property
    def hashed(self) -> frozenset[Name]:
        """The names that have an NSEC3."""
        owners = [owner for owner in self.owners if owner not in self.omitted]
        return frozenset(name for owner in owners for name in (owner, *self.above(owner)))

    def hash(self, name: Name) -> str:
        return _hash(name, self.salt, self.iterations)

    @cached_property
    def nsec3(self) -> list[str]:
        """The NSEC3 chain, as text."""
        owners = {self.hash(name): name for name in self.hashed}
        order = sorted(owners)
        left_out = [self.hash(name) for name in self.names - self.hashed]
        lines = []
        for digest, following in zip(order, order[1:] + order[:1], strict=True):
            types = self.nodes.get(owners[digest], frozenset())
            signed = types and not (self.is_cut(owners[digest]) and "DS" not in types)
            shown = " ".join(sorted(types | ({"RRSIG"} if signed else set())))
            needed = any(_between(digest, each, following) for each in left_out)
            flags = int(self.opt_out and (self.flagged or needed))
            lines.append(
                f"{Name((digest.encode(),)).concatenate(self.apex)} NSEC3 1 {flags} {self.iterations} "
                f"{base64.b16encode(self.salt).decode() or '-'} {following} {shown}"
            )
        return lines

    @cached_property
    def _digests(self) -> list[str]:
        return [line.split(".")[0] for line in self.nsec3]

    def nsec3_at(self, name: Name) -> str:
        """As nsec_at, of the hash."""
        return self.nsec3[bisect_right(self._digests, self.hash(name)) - 1]

    def provable(self, name: Name) -> tuple[Name, Name]:
        """Of *name*, which has no NSEC3: the closest encloser that has one, and the next closer name (RFC 5155
        section 1.3)."""
        way = (name, *self.above(name))
        return next((upper, lower) for lower, upper in pairwise(way) if upper in self.hashed)

    def in_opt_out(self, name: Name) -> bool:
        """Whether the proof that *name* does not exist rests on an NSEC3 that opts out."""
        digest = self.hash(name)
        for line in self.nsec3:
            owner, _, _, flags, _, _, following, *_ = line.split()
            if _between(owner.split(".")[0], digest, following):
                return flags == "1"
        return False


@cache
def _above(apex: Name, name: Name) -> tuple[Name, ...]:
    return () if name == apex else (name.parent(), *_above(apex, name.parent()))


@cache
def _hash(name: Name, salt: bytes, iterations: int) -> str:
    return dns.dnssec.nsec3_hash(name, salt, iterations, 1).lower()


def _between(low: str, digest: str, high: str) -> bool:
    return low < digest < high if low < high else digest > low or digest < high
