"""Plain DNS to one server: UDP, and TCP when UDP cannot settle it."""

from __future__ import annotations

from attrs import frozen

from graydns.upstream.exchange import TC, Attempt, Disturbed, Exchange, ExchangeError, Waiting


@frozen
class PlainExchange:
    """Ask over *datagram*; where the reply is truncated (RFC 7766) or looks forged, ask again over *stream*."""

    datagram: Exchange
    stream: Exchange

    def ask(self, message: bytes, waiting: Waiting) -> Attempt:
        """As ``Exchange``."""
        return _Attempt(self, message, waiting)


class _Attempt:
    """Waits for the datagram, and hands on to the stream if need be."""

    __slots__ = ("_message", "_running", "_stream", "_waiting")

    def __init__(self, exchange: PlainExchange, message: bytes, waiting: Waiting) -> None:
        self._stream, self._message, self._waiting = exchange.stream, message, waiting
        self._running = exchange.datagram.ask(message, self)

    def replied(self, reply: bytes) -> None:
        """Over UDP."""
        if reply[2] & TC:
            self._settle()
        else:
            self._waiting.replied(reply)

    def lost(self, error: BaseException) -> None:
        """Over UDP."""
        if isinstance(error, Disturbed):
            self._settle()
        else:
            self._waiting.lost(error)

    def cancel(self) -> None:
        """As ``Attempt``."""
        self._running.cancel()

    def _settle(self) -> None:
        try:
            self._running = self._stream.ask(self._message, self._waiting)
        except ExchangeError as error:
            self._waiting.lost(error)
