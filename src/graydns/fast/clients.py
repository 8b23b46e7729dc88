"""Clients: who got the answers of one kind lately, and how many different ones there were."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from graydns.fast.sketch import REGISTERS, estimate, merged, see

#: Clients whose last query is remembered, in each of two generations.
ROOM = 255


class Clients:
    """The clients of one Group: the *last* query of each that came lately, and the sketch of all, by windows.

    *last*: key of the client (``fast.sketch``) to the query as it came; a client that comes again and again costs one
    assignment each time, and the sketch is fed with new ones only. *registers*: the sketch of this window, fed
    directly with those whose query is remembered elsewhere (``fast.hot.Fork``, ``fast.ledger``).
    """

    __slots__ = ("_before", "_earlier", "_fed", "last", "registers")

    def __init__(self) -> None:
        self.last: dict[bytes, bytes] = {}
        self._earlier: dict[bytes, bytes] = {}
        self._fed = 0
        self.registers = bytearray(REGISTERS)
        self._before = b""

    def note(self, key: bytes, wire: bytes) -> None:
        """One query of a client."""
        self.last[key] = wire
        if len(self.last) > ROOM:
            self.settle()

    def settle(self) -> None:
        """Make room in *last*."""
        self._feed()
        self._earlier, self.last, self._fed = self.last, {}, 0

    def turn(self, *, forget: bool = False) -> None:
        """Begin a new window; *forget*: and count none of those before."""
        self.settle()
        self._before, self.registers = b"" if forget else bytes(self.registers), bytearray(REGISTERS)

    def sketch(self) -> bytes:
        """The sketch of this window and the one before."""
        self._feed()
        now = bytes(self.registers)
        return merged(now, self._before) if self._before else now

    def count(self) -> int:
        """About how many there were in this window and the one before."""
        return estimate(self.sketch())

    def queries(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and last queries, the newest clients first."""
        yield from reversed(self.last.items())
        yield from ((key, wire) for key, wire in reversed(self._earlier.items()) if key not in self.last)

    def _feed(self) -> None:
        for key in islice(self.last, self._fed, None):
            see(self.registers, key)
        self._fed = len(self.last)


class Nobody(Clients):
    """Stands where all clients get the same, and none needs to be remembered."""

    __slots__ = ()

    def settle(self) -> None:
        """Forget them."""
        self.last.clear()


#: Where all clients get the same.
NOBODY = Nobody()
