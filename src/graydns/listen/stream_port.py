"""TCP sockets: listening ones, and connections that write at once instead of at the reactor's next turn."""

from __future__ import annotations

import socket
from typing import Protocol

from attrs import evolve, frozen

from graydns.listen.listener import Listener
from graydns.runtime.twisted_types import ListenReactor, StreamPort, TcpConnection

#: Connections that the kernel holds until they are accepted.
LISTEN_BACKLOG = 1024


class EagerWriteConnection(TcpConnection):
    """Twisted's TCP connection, which sends when the reactor reports the socket writable; this one sends at once.

    An idle socket nearly always takes a batch of replies whole. Asking first costs two system calls and a turn
    of the reactor. What the kernel does not take is left to Twisted, and so is all that follows, in order.
    """

    _is_buffering = False

    def write(self, data: bytes) -> None:
        """Send *data*; what the kernel does not take now is sent when the client reads."""
        if self.connected and not self._is_buffering:
            try:
                sent = self.socket.send(data)
            except OSError:
                sent = 0  # the socket's buffer is full, or the client is gone: the reactor will find the same
            if sent == len(data):
                return
            self._is_buffering = True
            data = data[sent:]
        super().write(data)

    def stopWriting(self) -> None:
        """The buffer is empty, or the connection is lost."""
        self._is_buffering = False
        super().stopWriting()


class ReceivingFactory(Protocol):
    """Makes the protocols of a listener's connections. *received*: messages that came in."""

    received: int


@frozen(eq=False)
class StreamListener:
    """A listening TCP socket; its connections are counted and closed by ``ConnectionTracker``."""

    listener: Listener
    _factory: ReceivingFactory
    _port: StreamPort
    dropped = pending = 0

    @property
    def received(self) -> int:
        """Messages that came in."""
        return self._factory.received

    def drain(self) -> bool:
        """Accept nothing more; the socket is closed by that."""
        self._port.stopListening()
        return False

    async def stop(self) -> None:
        """Close the socket."""
        if (closed := self._port.stopListening()) is not None:
            await closed


def listen_stream(
    listener: Listener, factory: object, counter: ReceivingFactory, reactor: ListenReactor
) -> StreamListener:
    """Open *listener*; *factory* makes the protocols, *counter* counts their messages. Raises OSError."""
    bound = _bind_stream_socket(listener)
    try:
        port = reactor.adoptStreamPort(bound.fileno(), bound.family, factory)
    finally:
        bound.close()  # the reactor has a copy
    port.transport = EagerWriteConnection
    return StreamListener(evolve(listener, port=port.getHost().port), counter, port)


def _bind_stream_socket(listener: Listener) -> socket.socket:
    """A listening TCP socket. [::] takes IPv6 only, so that it can stand beside 0.0.0.0. Raises OSError."""
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((listener.host, listener.port))
        bound.listen(LISTEN_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound
