"""What listeners need of the frontend, and what the frontend needs of the running snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from attrs import field, frozen

from graydns.fast.peer import PeerCache
from graydns.gray.plan import Plan
from graydns.model.answer import Answer
from graydns.model.catalog import CatalogView
from graydns.model.query import Query
from graydns.model.transport import Transport
from graydns.runtime.token_bucket import TenantQuota


class HandlerPeer(Protocol):
    """A sender. *source*: its packed address, 4 or 16 octets."""

    @property
    def source(self) -> bytes:
        """The packed address."""


PeerT = TypeVar("PeerT", bound=HandlerPeer)


class QueryHandler(Protocol[PeerT]):
    """From the bytes of a query to the bytes of its reply. Its peers are opaque to listeners."""

    def peer(self, address: str, transport: Transport, identity: str | None = None, tenant: str | None = None) -> PeerT:
        """The sender at *address* (text, IPv6 zone index allowed) over *transport*.

        Called once a datagram and once a connection. *identity*: ``tls:NAME`` of a verified certificate.
        *tenant*: the tenant of the listener, if it has one.
        """

    def answer(self, wire: bytes, peer: PeerT) -> bytes | Query | None:
        """Bytes to send, None for silence, or a Query that :meth:`resolve` must answer."""

    async def resolve(self, query: Query, peer: PeerT) -> bytes | None:
        """Answer a miss; None = no reply. Never raises, and always ends within the frontend's time limits."""


class MissResolver(Protocol):
    """What answers a miss; never raises (``resolve.pipeline``)."""

    async def resolve(self, query: Query) -> Answer:
        """The answer to *query*, errors included."""


@frozen(eq=False)
class ServingState:
    """The running snapshot as the frontend uses it; replaced in one assignment.

    *plan*: (name, type, tenant of the client) to the Plan that applies. *quotas*: of the tenants that have one.
    *is_current*: whether answers made from a view of Consul's catalog may be stored. *catalog_names*: names, in wire
    form, whose hot answers are removed by name when Consul's catalog changes. A query keeps the state it began with.
    """

    pipeline: MissResolver
    plan: Callable[[bytes, int, str], Plan]
    peers: PeerCache = field(repr=False)
    quotas: Mapping[str, TenantQuota] = field(factory=dict, repr=False)
    is_current: Callable[[CatalogView], bool] = field(default=lambda view: False, repr=False)
    catalog_names: frozenset[bytes] = field(default=frozenset(), repr=False)
