"""Authority: answers from our zones and services; a CNAME chain that leaves them is completed by forwarding.

A CatalogWaiter delays a query until the catalog has the entry that it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import evolve, field, frozen
from dns.edns import EDECode

from graydns.authority.local_answer import LocalAnswer
from graydns.authority.lookup import look_up
from graydns.authority.lookup_steps import STALE_ANSWER
from graydns.model.answer import Answer
from graydns.model.catalog import CatalogView
from graydns.model.decision import Decision
from graydns.model.dns_parameters import NOERROR, NXDOMAIN
from graydns.model.errors import CatalogPendingError, ResolveError
from graydns.model.query import Query
from graydns.resolve.link import Resolver
from graydns.snapshot.snapshot import Snapshot
from graydns.wire.answer_body import age_body, read_rrsets


@frozen
class Authority:
    """Look up names in the zones of *snapshot*. *forwarding* resolves other names. *clock*: monotonic seconds."""

    forwarding: Resolver = field(kw_only=True, repr=False)
    catalog_waiter: CatalogWaiter = field(kw_only=True, repr=False)
    snapshot: Snapshot = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(kw_only=True, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer of our zones. Raises ResolveError where a chain leads out of them and cannot be completed."""

        def decide(name: bytes, qtype: int) -> Decision:
            return self.snapshot.plan(name, qtype, query.client.tenant).decide(query.client)

        try:
            found = look_up(self.snapshot.zones, query, decide)
        except CatalogPendingError as missing:
            await self.catalog_waiter.wait_for(missing)
            plan = self.snapshot.plan(query.qname, query.qtype, query.client.tenant)
            # The Plan has changed since the query arrived, so the answer must not be cached under the old one.
            return evolve(
                await self.resolve(query.with_decision(plan.decide(query.client), plan, query.trace)), shareable=False
            )
        if found.cname_target is not None and self._may_follow(query, found.cname_target):
            found = await self._follow_outside(found, query, found.cname_target)
        answer = found.to_answer()
        if isinstance(answer.origin, CatalogView) and self.catalog_waiter.is_stale(answer.origin):
            return evolve(answer, edes=(*answer.edes, STALE_ANSWER), shareable=False)
        return answer

    def _may_follow(self, query: Query, target: bytes) -> bool:
        # A client that follows chains itself (RD=0) gets the part from our zones at once.
        wanted = query.recursion_desired and query.client.may_forward
        return wanted and self.snapshot.forward.find_group(target) is not None

    async def _follow_outside(self, found: LocalAnswer, query: Query, target: bytes) -> LocalAnswer:
        question = target + query.question[-4:]
        plan = self.snapshot.plan(target, query.qtype, query.client.tenant)
        onward = query._replace(question=question, qname=target, plan=plan, decision=plan.decide(query.client))
        rest = await self.forwarding.resolve(onward)
        if rest.rcode not in (NOERROR, NXDOMAIN):
            raise ResolveError(
                f"the end of the chain could not be resolved: {rest.why}", ede=EDECode.NO_REACHABLE_AUTHORITY
            )
        age = 0 if rest.stored_at is None else int(self.clock() - rest.stored_at)
        records = read_rrsets(question, evolve(rest, body=age_body(rest, age)))
        return found.complete(
            rest.rcode, records, scope=_combine_scopes(found, rest, query), edes=rest.edes, proof=rest.proof
        )


def _combine_scopes(found: LocalAnswer, rest: Answer, query: Query) -> int | None:
    """The scope of a chain that the upstream's answer *rest* completes: the longer of both parts'."""
    if not rest.ecs_scope:
        return found.ecs_scope
    own = (
        found.ecs_scope
        if found.ecs_scope is not None or query.decision is None
        else query.decision.ecs_scope(query.client)
    )
    return max(own or 0, rest.ecs_scope)


class CatalogWaiter(Protocol):
    """The part of a catalog's source that queries wait for (``sources.consul.feed``)."""

    async def wait_for(self, missing: CatalogPendingError) -> None:
        """Wait until what is *missing* is known. Raises ResolveError if that takes too long."""

    def is_current(self, view: CatalogView) -> bool:
        """Whether answers made from *view* may be cached."""

    def is_stale(self, view: CatalogView) -> bool:
        """Whether *view* has not been updated for too long."""


class NullCatalogWaiter:
    """For servers without a catalog."""

    async def wait_for(self, missing: CatalogPendingError) -> None:
        """Raises *missing*."""
        raise missing

    def is_current(self, view: CatalogView) -> bool:
        """There is none."""
        return False

    def is_stale(self, view: CatalogView) -> bool:
        """There is none."""
        return False
