"""Route: ours or not ours. What is ours never leaves, but where a rule says ``upstream``."""

from __future__ import annotations

from attrs import field, frozen

from graydns.model.answer import Answer
from graydns.model.decision import Kind
from graydns.model.query import Query
from graydns.model.rrtype import IN
from graydns.resolve.link import Resolver
from graydns.resolve.outward import EDE_NOT_SUPPORTED, refused
from graydns.snapshot.snapshot import Snapshot


@frozen
class Route:
    """Choose between *ours* and *theirs*; ask the Router if nobody has yet."""

    ours: Resolver
    theirs: Resolver
    snapshot: Snapshot = field(kw_only=True, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer for *query*. Raises ResolveError as its links do."""
        if query.qclass != IN:
            return refused(EDE_NOT_SUPPORTED, "only class IN is served")
        decision = query.decision
        if decision is None:
            plan = self.snapshot.plan(query.qname, query.qtype, query.client.tenant)
            decision = plan.decide(query.client)
            query = query.decided(decision, plan)
        if decision.kind is not Kind.UPSTREAM and self.snapshot.zones.find(query.qname) is not None:
            return await self.ours.resolve(query)
        return await self.theirs.resolve(query)
