"""The canonical order of names (RFC 4034 section 6.1), and what lies between two of them.

The types that an NSEC or NSEC3 says are at a name (RFC 4034 section 4.1.2).

What records of non-existence can show, whichever of the two kinds they are.

NSEC shows names, NSEC3 their hashes. What follows from them for an answer is the same (``denial``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeVar

from attrs import frozen

from graydns.model.dns_parameters import ANY, NSEC, NXNAME, RRSIG
from graydns.model.name import labels, suffixes

#: A name as it sorts: its labels from the root down, the root label left out.
CanonicalName = tuple[bytes, ...]

_PositionT = TypeVar("_PositionT", CanonicalName, bytes)


def to_canonical(name: bytes) -> CanonicalName:
    """*name* (wire form, lowered) as it sorts."""
    return tuple(labels(name))[-2::-1]


def is_between(low: _PositionT, place: _PositionT, high: _PositionT) -> bool:
    """Whether *place* is past *low* and before *high* on a circle; where both are one, all but that is between."""
    if low < high:
        return low < place < high
    return place > low or place < high


def count_shared_labels(one: CanonicalName, other: CanonicalName) -> int:
    """How many labels the two have in common, from the root down."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def truncate_name(name: bytes, count: int) -> bytes:
    """The last *count* labels of *name*, the root's not counted."""
    every = tuple(suffixes(name))
    return every[len(every) - 1 - count]


#: What is there only because the zone is signed, or stands for a name that is not there (RFC 9824 section 2).
_DENIAL_TYPES = frozenset({RRSIG, NSEC, NXNAME})


@frozen
class TypeBitmap:
    """A set of types. *windows*: number and bits of each block that is not empty, in order."""

    windows: tuple[tuple[int, bytes], ...] = ()

    def has(self, rdtype: int) -> bool:
        """Whether there are records of *rdtype*; for ANY, whether there is any data."""
        if rdtype == ANY:
            return any(each not in _DENIAL_TYPES for each in self._types())
        window, low = divmod(rdtype, 256)
        for number, bits in self.windows:
            if number == window:
                at, bit = divmod(low, 8)
                return at < len(bits) and bool(bits[at] & 0x80 >> bit)
        return False

    def _types(self) -> Iterable[int]:
        for number, bits in self.windows:
            for at, octet in enumerate(bits):
                yield from (number * 256 + at * 8 + bit for bit in range(8) if octet & 0x80 >> bit)


#: Records of each kind that are remembered as read: that costs more than the proof itself, and zones repeat themselves.
MAX_CACHED_RECORDS = 1024


class NameGap(NamedTuple):
    """A stretch of the zone without names.

    *opt_out*: there may be delegations in it, all unsigned (RFC 5155 section 6).
    """

    opt_out: bool


class NameAbsence(NamedTuple):
    """A name does not exist. *encloser*: the longest of the names above it that does. *gap*: where it would be."""

    encloser: bytes
    gap: NameGap


class DenialEvidence(Protocol):
    """Verified records of one kind from one zone. The names asked for are in that zone.

    Every method may raise WorkLimitExceededError.
    """

    def types_at(self, name: bytes) -> TypeBitmap | None:
        """What is at *name*, nothing for an empty non-terminal; None where *name* is not shown to exist."""

    def find_gap(self, name: bytes) -> NameGap | None:
        """The gap that *name*, whose parent exists, and all below it would be in; None where none is shown."""

    def find_absence(self, name: bytes) -> NameAbsence | None:
        """That *name*, which is not shown to exist, does not; None where that is not shown either."""
