"""Unpredictable bytes for messages to upstreams."""

from __future__ import annotations

import os

from attrs import define, field

#: Octets fetched from the kernel at a time: one system call for some hundred exchanges.
POOL = 4096


@define(eq=False)
class Entropy:
    """Random bytes from the kernel; each is given out once."""

    _pool: bytes = field(init=False, default=b"", repr=False)
    _at: int = field(init=False, default=0, repr=False)

    def take(self, size: int) -> bytes:
        """*size* octets, at most POOL."""
        end = self._at + size
        if end > len(self._pool):
            self._pool, self._at, end = os.urandom(POOL), 0, size
        taken = self._pool[self._at : end]
        self._at = end
        return taken
