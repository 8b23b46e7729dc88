"""Accepting: a few connections in each turn of the reactor, however many wait, so that queries go between."""

from __future__ import annotations

from twisted.internet import tcp

#: Connections taken in a turn, some 50 µs each. Twisted takes a hundred, and more and more while they keep coming.
AT_ONCE = 4


class FewAtOnce(tcp.Port):
    """A port, or with another port after it that one, that takes AT_ONCE connections a turn."""

    def doRead(self) -> None:
        """Take what waits, up to AT_ONCE."""
        self.numberAccepts = AT_ONCE
        super().doRead()  # type: ignore[no-untyped-call]
