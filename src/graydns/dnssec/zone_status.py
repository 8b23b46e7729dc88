"""What is known of zones: whether they are signed, by which keys, and for how long that holds.

Step: one thing that the validator found out on its way, for people (``graydnsctl dnssec explain``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice

from attrs import define, evolve, field, frozen
from dns.edns import EDECode

from graydns.dnssec.key_trust import DsRecord
from graydns.dnssec.zone_keys import ZoneKeySet
from graydns.model.dnssec_values import RrsigInfo, Security
from graydns.model.name import is_within

#: Seconds after which a zone that is bogus is looked at again, first and at most (RFC 9520 section 3.2).
MIN_BOGUS_SECONDS, MAX_BOGUS_SECONDS = 5.0, 300.0

#: Octets that are remembered, in all, by one ZoneStatusCache; names whose waits are.
MAX_CACHE_BYTES, MAX_BOGUS_NAMES = 32 << 20, 10_000

#: Octets that a name takes beside its own and those of texts, and each key of a zone, once it has been used
#: (benchmarks/micro/zones.py).
NAME_BYTES, KEY_BYTES = 700, 3000


@frozen(eq=False)
class ZoneStatus:
    """A zone and what it is worth. *keys*: where it is SECURE, else None. *reason*, *ede*, *signer*: where it is not.

    *expires*: monotonic seconds.
    """

    name: bytes
    security: Security
    keys: ZoneKeySet | None = field(default=None, repr=False)
    reason: str = ""
    ede: EDECode | None = None
    signer: RrsigInfo | None = None
    expires: float = 0.0

    def size(self, name: bytes) -> int:
        """Octets that it takes to remember that *name* belongs to it; the keys are remembered with its own name."""
        size = NAME_BYTES + 2 * len(name) + len(self.reason)
        if self.keys is None or name != self.name:
            return size
        return size + sum(KEY_BYTES * len(keys) for keys in self.keys.keys.values())


@define(eq=False)
class ZoneStatusCache:
    """The zones that names belong to, the least recently used going first."""

    _known: OrderedDict[bytes, ZoneStatus] = field(init=False, factory=OrderedDict, repr=False)
    _waits: dict[bytes, float] = field(init=False, factory=dict, repr=False)
    octets: int = field(init=False, default=0)

    def find(self, name: bytes, now: float) -> ZoneStatus | None:
        """The zone that *name* belongs to, if that is known *now* (monotonic seconds)."""
        zone = self._known.get(name)
        if zone is None:
            return None
        if now >= zone.expires:
            self._remove(name)
            return None
        self._known.move_to_end(name)
        if zone.name == name or zone.security is not Security.SECURE:
            return zone
        if (apex := self.find(zone.name, now)) is None:  # it went, and its keys with it
            self._remove(name)
            return None
        return evolve(apex, expires=min(zone.expires, apex.expires))

    def store(self, name: bytes, zone: ZoneStatus, now: float) -> ZoneStatus:
        """Remember that *name* belongs to *zone*; one that is bogus for longer each time it is found so."""
        if len(self._waits) > MAX_BOGUS_NAMES:
            self._waits.clear()
        if zone.security is Security.BOGUS:
            known = self.find(name, now)
            if known is not None and known.security is Security.BOGUS:
                return known  # found by others who looked at the same time
            wait = self._waits[name] = min(2 * self._waits.get(name, MIN_BOGUS_SECONDS / 2), MAX_BOGUS_SECONDS)
            zone = evolve(zone, expires=now + wait)
        else:
            self._waits.pop(name, None)
        if name in self._known:
            self._remove(name)
        # The keys are kept once, with the zone: whatever belongs to it would hold them in memory otherwise.
        self._known[name] = zone if name == zone.name else evolve(zone, keys=None)
        self.octets += zone.size(name)
        while self.octets > MAX_CACHE_BYTES and len(self._known) > 1:
            oldest = next(iter(self._known))
            self._remove(oldest)
            self._waits.pop(oldest, None)
        return zone

    def _remove(self, name: bytes) -> None:
        self.octets -= self._known.pop(name).size(name)

    @property
    def size(self) -> int:
        """Names whose zones are known."""
        return len(self._known)

    def without(self, name: bytes) -> ZoneStatusCache:
        """The same without all at or below *name*. Validations that are under way go on with these."""
        left = ZoneStatusCache()
        left._known.update((known, zone) for known, zone in self._known.items() if not is_within(known, name))
        left.octets = sum(zone.size(known) for known, zone in left._known.items())
        left._waits.update((known, wait) for known, wait in self._waits.items() if not is_within(known, name))
        return left


#: Records that are shown; of more, their number is.
MAX_SHOWN_RECORDS = 4


@frozen
class ValidationStep:
    """The status of *name* and *rdtype*. *signer*: the zone that signed it. *text*: why, or why not."""

    name: bytes
    rdtype: int
    security: Security
    text: str
    signer: RrsigInfo | None = None


def format_ds(ds: Sequence[DsRecord]) -> str:
    """Tag, algorithm and digest type of each."""
    return ", ".join(
        f"DS {each.tag} {each.algorithm} {each.digest_type}" for each in ds[:MAX_SHOWN_RECORDS]
    ) + _format_rest(len(ds))


def format_keys(keys: ZoneKeySet) -> str:
    """Tag and algorithm of each."""
    named = (f"DNSKEY {tag} {algorithm}" for algorithm, tag in islice(keys.keys, MAX_SHOWN_RECORDS))
    return ", ".join(named) + _format_rest(len(keys.keys))


def _format_rest(number: int) -> str:
    return f" and {number - MAX_SHOWN_RECORDS} more" if number > MAX_SHOWN_RECORDS else ""
