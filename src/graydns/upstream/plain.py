"""Plain DNS to one server: UDP, and TCP when UDP cannot settle it."""

from __future__ import annotations

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from graydns.upstream.exchange import TC, Disturbed, Exchange


@frozen
class PlainExchange:
    """Ask over *datagram*; where the reply is truncated or looks forged, ask again over *stream* (RFC 5966, RFC 5452)."""

    datagram: Exchange
    stream: Exchange

    def ask(self, message: bytes) -> Deferred[bytes]:
        """As ``Exchange``."""

        def whole(reply: bytes) -> bytes | Deferred[bytes]:
            return self.stream.ask(message) if reply[2] & TC else reply

        def undisturbed(failure: Failure) -> Deferred[bytes]:
            failure.trap(Disturbed)
            return self.stream.ask(message)

        return self.datagram.ask(message).addCallbacks(whole, undisturbed)
