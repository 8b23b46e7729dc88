"""What exchanges use of Twisted, as types; zope's interfaces mean nothing to a type checker."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred

from graydns.timing import Clock


class Readers(Protocol):
    """The part of IReactorFDSet that a datagram exchange needs."""

    def addReader(self, reader: Any) -> object:
        """Call ``reader.doRead()`` whenever its descriptor is readable."""

    def removeReader(self, reader: Any) -> object:
        """Stop that."""


class Reactor(Readers, Clock, Protocol):
    """The parts of IReactorTime, IReactorFDSet and IReactorTCP that upstreams need."""

    def connectTCP(self, host: str, port: int, factory: Any, /) -> object:
        """Connect."""


class Endpoint(Protocol):
    """IStreamClientEndpoint."""

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """Connect, and fire with the protocol."""


class Transport(Protocol):
    """The part of ITCPTransport that a stream exchange needs."""

    def write(self, data: bytes) -> object:
        """Send."""

    def abortConnection(self) -> object:
        """Close at once."""
