"""Forward: the end of the chain for names that are not ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import field, frozen
from dns.edns import EDECode

from graydns.model.answer import Answer
from graydns.model.dns_parameters import REFUSED
from graydns.model.errors import ResolveError
from graydns.model.query import Query
from graydns.upstream.server_groups import UpstreamGroup

#: Info code of RFC 8914.
EDE_NOT_AUTHORITATIVE = EDECode.NOT_AUTHORITATIVE


class GroupClient(Protocol):
    """Sends queries to upstream groups (``resolve.stores.TenantClients``)."""

    def ask(self, query: Query, group: UpstreamGroup) -> Awaitable[Answer]:
        """The answer of *group* to *query*. Raises UpstreamError."""


@frozen
class Forwarder:
    """Send each query to the upstream group that *choose_group* returns."""

    client: GroupClient = field(repr=False, kw_only=True)
    choose_group: Callable[[Query], UpstreamGroup | None] = field(repr=False, kw_only=True)

    def resolve(self, query: Query) -> Awaitable[Answer]:
        """The group's answer. Raises UpstreamError, or ResolveError with REFUSED where no group is configured."""
        group = self.choose_group(query)
        if group is None:
            raise ResolveError("no upstream is configured for this name", rcode=REFUSED, ede=EDE_NOT_AUTHORITATIVE)
        return self.client.ask(query, group)
