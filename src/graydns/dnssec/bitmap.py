"""The types that an NSEC or NSEC3 says are at a name (RFC 4034 section 4.1.2)."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from graydns.model.rrtype import ANY, NSEC, NXNAME, RRSIG

#: What is there only because the zone is signed, or stands for a name that is not there (RFC 9824 section 2).
_NO_DATA = frozenset({RRSIG, NSEC, NXNAME})


@frozen
class Bitmap:
    """A set of types. *windows*: number and bits of each block that is not empty, in order."""

    windows: tuple[tuple[int, bytes], ...] = ()

    def has(self, rdtype: int) -> bool:
        """Whether there are records of *rdtype*; for ANY, whether there is any data."""
        if rdtype == ANY:
            return any(each not in _NO_DATA for each in self._types())
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
