"""What exchanges use of Twisted, as types; zope's interfaces mean nothing to a type checker.

Poll: wakes the many sockets that live for one datagram each.

Twisted's reactor is made for descriptors that last: to add one, be woken by it and remove it costs as much as the
datagram itself. So the reactor watches one descriptor, that of an epoll of ours, and this watches the sockets.
"""

from __future__ import annotations

import select
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from graydns.runtime.timing import Clock


class FDSet(Protocol):
    """The part of IReactorFDSet that a datagram exchange needs."""

    def addReader(self, reader: Any) -> object:
        """Call ``reader.doRead()`` whenever its descriptor is readable."""

    def removeReader(self, reader: Any) -> object:
        """Stop that."""


class UpstreamReactor(FDSet, Clock, Protocol):
    """The parts of IReactorTime, IReactorFDSet and IReactorTCP that upstreams need."""

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float, /) -> object:
        """Connect, or give up after *timeout* seconds."""


class StreamTransport(Protocol):
    """The part of ITCPTransport that a stream exchange needs."""

    def write(self, data: bytes) -> object:
        """Send."""

    def abortConnection(self) -> object:
        """Close at once."""


#: Sockets served in one wake-up before other descriptors have their turn.
MAX_EVENTS_PER_WAKEUP = 256


def make_fd_set(reactor: FDSet) -> FDSet:
    """An EpollFDSet that *reactor* watches; the reactor itself where the system has no epoll."""
    return EpollFDSet(reactor) if hasattr(select, "epoll") else reactor


@implementer(IReadDescriptor)
class EpollFDSet:
    """Readers by descriptor. After removing one, its descriptor must be closed: that takes it out of the epoll."""

    _log = Logger()

    def __init__(self, reactor: FDSet) -> None:
        self._reactor = reactor
        self._epoll: Any = None
        self._readers: dict[int, Any] = {}

    @property
    def readers(self) -> tuple[Any, ...]:
        """Those who wait now."""
        return tuple(self._readers.values())

    def addReader(self, reader: Any) -> None:
        """Call ``reader.doRead()`` whenever its descriptor is readable or in error."""
        if self._epoll is None:
            self._epoll = select.epoll()
            self._reactor.addReader(self)
        descriptor = reader.fileno()
        self._epoll.register(descriptor, select.EPOLLIN)
        self._readers[descriptor] = reader

    def removeReader(self, reader: Any) -> None:
        """Stop that."""
        self._readers.pop(reader.fileno(), None)

    def fileno(self) -> int:
        """Of the epoll."""
        descriptor: int = self._epoll.fileno()
        return descriptor

    def doRead(self) -> None:
        """Wake those that have something to read."""
        readers = self._readers
        for descriptor, _ in self._epoll.poll(0, MAX_EVENTS_PER_WAKEUP):
            if (reader := readers.get(descriptor)) is None:
                continue  # an earlier one of this batch has ended it
            try:
                reader.doRead()
            except Exception:
                self._log.failure("{reader} could not be read", reader=reader.logPrefix())

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends."""

    def logPrefix(self) -> str:
        """For the log of Twisted."""
        return "upstreams"
