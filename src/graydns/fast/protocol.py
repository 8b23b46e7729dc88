"""What the doors need of the front, so that they know nothing of how it answers."""

from __future__ import annotations

from typing import Protocol, TypeVar

from graydns.model.query import Query


class Peer(Protocol):
    """A sender as the front knows it. *source*: its packed address, 4 or 16 octets."""

    @property
    def source(self) -> bytes:
        """The packed address."""


P = TypeVar("P", bound=Peer)


class Front(Protocol[P]):
    """From the bytes of a query to the bytes of its answer. Its Peers are opaque to the doors."""

    def peer(self, address: str, transport: str, identity: str | None = None, tenant: str | None = None) -> P:
        """Who sends from *address* (text, IPv6 zone index allowed) over *transport* (udp, tcp, tls).

        Doors ask once a datagram and once a connection. *identity*: ``tls:NAME`` of a verified certificate.
        *tenant*: the tenant of the listener, if it has one.
        """

    def answer(self, wire: bytes, peer: P) -> bytes | Query | None:
        """Bytes to send, None for silence, or a Query that :meth:`resolve` must answer."""

    async def resolve(self, query: Query, peer: P) -> bytes | None:
        """Answer a miss. Never raises, and always ends within the limits of the front."""
