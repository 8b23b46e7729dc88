"""What records of non-existence can show, whichever of the two kinds they are.

NSEC shows names, NSEC3 their hashes. What follows from them for an answer is the same (``denial.py``).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from graydns.dnssec.bitmap import Bitmap

#: Records of each kind that are remembered as read: that costs more than the proof itself, and zones repeat themselves.
REMEMBERED = 1024


class Gap(NamedTuple):
    """A stretch of the zone without names.

    *opt_out*: there may be delegations in it, all unsigned (RFC 5155 section 6).
    """

    opt_out: bool


class Absence(NamedTuple):
    """A name does not exist. *encloser*: the longest of the names above it that does. *gap*: where it would be."""

    encloser: bytes
    gap: Gap


class Evidence(Protocol):
    """Verified records of one kind from one zone. The names asked for are in that zone.

    Every method may raise Exceeded.
    """

    def types_at(self, name: bytes) -> Bitmap | None:
        """What is at *name*, nothing for an empty non-terminal; None where *name* is not shown to exist."""

    def gap(self, name: bytes) -> Gap | None:
        """The gap that *name*, whose parent exists, and all below it would be in; None where none is shown."""

    def absence(self, name: bytes) -> Absence | None:
        """That *name*, which is not shown to exist, does not; None where that is not shown either."""
