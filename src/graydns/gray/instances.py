"""Which instance of a Consul service a client is sent to first: the same weighted rendezvous as among endpoints.

Every client gets all instances; the first one is its own, so that clients which take the first spread by weight, and
each stays where it is as long as that instance does.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, field, frozen

from graydns.gray.endpoints import MAX_MEMBERS, Member, Pool, pool
from graydns.gray.key import ENDPOINT, hash_key, recipe
from graydns.gray.plan import Plan, Settle
from graydns.gray.verdicts import Choose
from graydns.model.catalog import Choice, Selection
from graydns.model.decision import Cohort, Decision, Kind
from graydns.model.query import Client

#: What tells clients apart. Not who they are: that would forbid every cache between us and them (TTL 0).
CLIENT_KEY = recipe(("subnet", "source"), {})


def lay_under(plan: Plan, selection: Selection, tenant: str) -> Plan:
    """*plan* with an instance of *selection* for the clients that it leaves to the zone.

    To be made anew when the selection changes; *tenant* is the domain's. Without instances it is *plan* as it is, so
    that names made up by clients make no cohorts.
    """
    if not selection.instances:
        return plan
    if selection.leading < 2:
        return _under(plan, _Order(tenant, selection, varies=plan.varies, reach=(plan.reach4, plan.reach6), first=None))
    reach = max(plan.reach4, CLIENT_KEY.reach4), max(plan.reach6, CLIENT_KEY.reach6)
    return _under(plan, _Order(tenant, selection, varies=True, reach=reach, first=_first(tenant, selection)))


@frozen(eq=False)
class _Order:
    """Makes the Decisions for one Selection.

    *varies*, *reach*: of all Decisions for the name. *first*: who leads for a client, None = the same for all.
    """

    tenant: str
    selection: Selection
    varies: bool = field(kw_only=True)
    reach: tuple[int, int] = field(kw_only=True)
    first: Callable[[Client], int] | None = field(kw_only=True)
    _made: dict[int, Decision] = field(init=False, factory=dict)
    _raised: dict[Decision, Decision] = field(init=False, factory=dict)

    def chooser(self) -> Choose:
        """What says which instance is first for a client."""
        first, made, make = self.first, self._made, self._make
        if first is None:
            one = self.only
            return lambda client: one

        def decide(client: Client) -> Decision:
            number = first(client)
            return made.get(number) or make(number)

        return decide

    @property
    def only(self) -> Decision:
        """The Decision for the first instance: of all, where all get one order."""
        return self._made.get(0) or self._make(0)

    def _make(self, first: int) -> Decision:
        """The Decision for instance number *first*; one object for each."""
        instances = self.selection.instances
        decision = self._made[first] = Decision(
            Cohort(self.tenant, self.selection.service, self.selection.tag, instances[first].name),
            varies=self.varies,
            reach4=self.reach[0],
            reach6=self.reach[1],
            origin=Choice(self.selection, first),
            why="instances that Consul knows",
        )
        return decision

    def raised(self, decision: Decision) -> Decision:
        """A *decision* of the policy for the same name: all its answers have one scope."""
        if (decision.varies, decision.reach4, decision.reach6) == (self.varies, *self.reach):
            return decision
        if decision not in self._raised:
            reach4, reach6 = self.reach
            self._raised[decision] = evolve(decision, varies=self.varies, reach4=reach4, reach6=reach6)
        return self._raised[decision]


def _under(plan: Plan, order: _Order) -> Plan:
    single, decide = plan.single, order.chooser()
    if single is not None and single.kind is not Kind.PLAIN:
        return plan
    if single is not None and order.first is None:
        return evolve(plan, decide=decide, single=order.only, last=decide)
    return evolve(
        plan,
        decide=decide if single is not None else _filled(plan.decide, order, decide),
        single=None,
        reach4=order.reach[0],
        reach6=order.reach[1],
        by_subnet=plan.by_subnet or single is not None,
        steps=tuple(step._replace(settle=_raised(step.settle, order)) for step in plan.steps),
        last=_filled(plan.last, order, decide),
    )


def _filled(choose: Choose, order: _Order, fill: Choose) -> Choose:
    """What *choose* says, and *fill* where that leaves it to the zone."""

    def decide(client: Client) -> Decision:
        decision = choose(client)
        return fill(client) if decision.kind is Kind.PLAIN else order.raised(decision)

    return decide


def _raised(settle: Settle, order: _Order) -> Settle:
    return lambda found, client: order.raised(settle(found, client))


def _first(tenant: str, selection: Selection) -> Callable[[Client], int]:
    """Who leads for a client."""
    read, first = CLIENT_KEY.read, _pool(tenant, selection).first
    return lambda client: first(read(client))


def _pool(tenant: str, selection: Selection) -> Pool:
    """The instances that may be first, under a hash key of their service: whatever tag is asked for, a client keeps the
    instance that is its own, if that has the tag."""
    name = selection.service.lower()
    key = hash_key(tenant, name, name, ENDPOINT)
    found: Pool | None = selection.made.get(("pool", key))
    if found is None:
        leading = selection.instances[: min(selection.leading, MAX_MEMBERS)]
        members = [Member(one.name, one.name.encode(), one.weight, {}) for one in leading]
        selection.made["pool", key] = found = pool(name, selection.tag, members, len(members), key)
    return found
