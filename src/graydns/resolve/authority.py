"""Authority: answers from our zones and services; a chain that leaves them is completed by forwarding."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, field, frozen

from graydns.authority.found import Found
from graydns.authority.lookup import lookup
from graydns.authority.verdict import STALE
from graydns.model.answer import Answer
from graydns.model.catalog import View
from graydns.model.decision import Decision
from graydns.model.errors import NotYetKnown, ResolveError
from graydns.model.query import Query
from graydns.model.rcode import NOERROR, NXDOMAIN
from graydns.resolve.learning import Learning
from graydns.resolve.link import Resolver
from graydns.snapshot.snapshot import Snapshot
from graydns.wire.body import aged
from graydns.wire.view import rrsets


@frozen
class Authority:
    """Look up in the Snapshot's zones. *outside* resolves names that are not ours. *clock*: monotonic."""

    outside: Resolver = field(kw_only=True, repr=False)
    learning: Learning = field(kw_only=True, repr=False)
    snapshot: Snapshot = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(kw_only=True, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer of our zones. Raises ResolveError where a chain leads out of them and cannot be completed."""

        def decide(name: bytes, qtype: int) -> Decision:
            return self.snapshot.plan(name, qtype, query.client.tenant).decide(query.client)

        try:
            found = lookup(self.snapshot.zones, query, decide)
        except NotYetKnown as missing:
            await self.learning.learn(missing)
            plan = self.snapshot.plan(query.qname, query.qtype, query.client.tenant)
            # Its Plan is another one than the query came with, so nobody may keep the answer under that.
            return evolve(
                await self.resolve(query.decided(plan.decide(query.client), plan, query.trace)), shareable=False
            )
        if found.chase is not None and self._may_complete(query, found.chase):
            found = await self._completed(found, query, found.chase)
        answer = found.answer()
        if isinstance(answer.origin, View) and self.learning.is_stale(answer.origin):
            return evolve(answer, edes=(*answer.edes, STALE), shareable=False)
        return answer

    def _may_complete(self, query: Query, target: bytes) -> bool:
        # An asker that follows chains itself (RD=0) is better served with what is ours, and at once.
        wanted = query.recursion_desired and query.client.may_forward
        return wanted and self.snapshot.forward.find(target) is not None

    async def _completed(self, found: Found, query: Query, target: bytes) -> Found:
        question = target + query.question[-4:]
        plan = self.snapshot.plan(target, query.qtype, query.client.tenant)
        onward = query._replace(question=question, qname=target, plan=plan, decision=plan.decide(query.client))
        rest = await self.outside.resolve(onward)
        if rest.rcode not in (NOERROR, NXDOMAIN):
            raise ResolveError(f"the end of the chain could not be resolved: {rest.why}", ede=22)
        age = 0 if rest.stored is None else int(self.clock() - rest.stored)
        records = rrsets(question, evolve(rest, body=aged(rest, age)))
        return found.completed(rest.rcode, records, scope=_scope(found, rest, query), edes=rest.edes, proof=rest.proof)


def _scope(found: Found, rest: Answer, query: Query) -> int | None:
    """The scope of a chain that the upstream's answer *rest* completes: the longer of both parts'."""
    if not rest.scope:
        return found.scope
    own = found.scope if found.scope is not None or query.decision is None else query.decision.scope(query.client)
    return max(own or 0, rest.scope)
