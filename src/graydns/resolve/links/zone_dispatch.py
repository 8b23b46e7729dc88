"""Dispatch of queries between our zones and forwarding.

A name in one of our zones is forwarded only if a rule says ``upstream``.
"""

from __future__ import annotations

from collections.abc import Awaitable

from attrs import field, frozen

from graydns.model.answer import Answer
from graydns.model.decision import DecisionKind
from graydns.model.dns_parameters import IN, REFUSED
from graydns.model.errors import ResolveError
from graydns.model.query import Query
from graydns.resolve.link import Resolver
from graydns.resolve.links.forwarding_policy import EDE_NOT_SUPPORTED
from graydns.snapshot.snapshot import Snapshot


@frozen
class ZoneDispatch:
    """Resolve names of our zones by *authority*, others by *forwarding*; make the Decision if there is none yet."""

    authority: Resolver
    forwarding: Resolver
    snapshot: Snapshot = field(kw_only=True, repr=False)

    def resolve(self, query: Query) -> Awaitable[Answer]:
        """The answer for *query*. Raises ResolveError as its links do, and REFUSED for classes other than IN."""
        if query.qclass != IN:
            raise ResolveError("only class IN is served", rcode=REFUSED, ede=EDE_NOT_SUPPORTED)
        decision = query.decision
        if decision is None:
            plan = self.snapshot.plan(query.qname, query.qtype, query.client.tenant)
            decision = plan.decide(query.client)
            query = query.with_decision(decision, plan, query.trace)
        if decision.kind is not DecisionKind.UPSTREAM and self.snapshot.zones.find(query.qname) is not None:
            return self.authority.resolve(query)
        return self.forwarding.resolve(query)
