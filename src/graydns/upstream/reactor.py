"""What exchanges use of Twisted, as types; zope's interfaces mean nothing to a type checker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred


class Timer(Protocol):
    """IDelayedCall."""

    def active(self) -> bool:
        """Whether it is still to come."""

    def cancel(self) -> None:
        """Call it off."""


class Readers(Protocol):
    """The part of IReactorFDSet that a datagram exchange needs."""

    def addReader(self, reader: Any) -> object:
        """Call ``reader.doRead()`` whenever its descriptor is readable."""

    def removeReader(self, reader: Any) -> object:
        """Stop that."""


class Reactor(Readers, Protocol):
    """The parts of IReactorTime, IReactorFDSet and IReactorTCP that upstreams need."""

    def callLater(self, delay: float, callable: Callable[..., object], /) -> Any:  # noqa: A002
        """Call it in *delay* seconds; gives a Timer."""

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
