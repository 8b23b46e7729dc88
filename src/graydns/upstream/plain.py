"""Plain DNS to one server: UDP, and TCP when UDP cannot settle it."""

from __future__ import annotations

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from graydns.upstream.exchange import TC, Disturbed, Exchange


@frozen
class PlainExchange:
    """Ask over *datagram*; where the reply is truncated (RFC 7766) or looks forged, ask again over *stream*."""

    datagram: Exchange
    stream: Exchange

    def ask(self, message: bytes) -> Deferred[bytes]:
        """As ``Exchange``."""

        def whole(reply: bytes) -> bytes | Deferred[bytes]:
            return self.stream.ask(message) if reply[2] & TC else reply

        def undisturbed(failure: Failure) -> Failure | Deferred[bytes]:
            return self.stream.ask(message) if isinstance(failure.value, Disturbed) else failure

        return self.datagram.ask(message).addCallbacks(whole, undisturbed)
