"""Route: ours or not ours. What is ours never leaves, but where a rule says ``upstream``."""

from __future__ import annotations

from attrs import field, frozen

from graydns.model.answer import Answer
from graydns.model.decision import DecisionKind
from graydns.model.dns_parameters import IN
from graydns.model.query import Query
from graydns.resolve.link import Resolver
from graydns.resolve.links.forwarding_policy import EDE_NOT_SUPPORTED, make_refusal
from graydns.snapshot.snapshot import Snapshot


@frozen
class ZoneDispatch:
    """Choose between *ours* and *theirs*; ask the Router if nobody has yet."""

    authority: Resolver
    forwarding: Resolver
    snapshot: Snapshot = field(kw_only=True, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer for *query*. Raises ResolveError as its links do."""
        if query.qclass != IN:
            return make_refusal(EDE_NOT_SUPPORTED, "only class IN is served")
        decision = query.decision
        if decision is None:
            plan = self.snapshot.plan(query.qname, query.qtype, query.client.tenant)
            decision = plan.decide(query.client)
            query = query.with_decision(decision, plan)
        if decision.kind is not DecisionKind.UPSTREAM and self.snapshot.zones.find(query.qname) is not None:
            return await self.authority.resolve(query)
        return await self.forwarding.resolve(query)
