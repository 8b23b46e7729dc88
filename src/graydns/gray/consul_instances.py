"""Filling: services with the endpoints that their versions have in Consul now. Pure.

A canary without enough of them has the default version's endpoints: whatever leads a client to it, rule, whitelist or
share, leads to the default version, and back to it, at the same buckets, once it has enough again.

Which instance of a Consul service a client is sent to first: the same weighted rendezvous as among endpoints.

Every client gets all instances; the first one is its own, so that clients which take the first spread by weight, and
each stays where it is as long as that instance does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import evolve, field, frozen
from dns.rdatatype import CNAME

from graydns.gray.client_key import PURPOSE_ENDPOINT, compile_client_key, derive_hash_key
from graydns.gray.compiled_service import CompiledService
from graydns.gray.decisions import DecideByClient
from graydns.gray.endpoint_pool import MAX_MEMBERS, EndpointPool, PoolMember, build_pool, encode_records
from graydns.gray.plan import MakeDecision, Plan
from graydns.gray.version_health import HEALTHY, UNKNOWN, HealthByInstance, VersionHealth
from graydns.model.catalog import CRITICAL, InstanceSelection, LeadingInstance, ServiceInstance, host_record
from graydns.model.client import Client
from graydns.model.decision import Cohort, Decision, DecisionKind


@frozen
class ConsulEndpoints:
    """What one version has in Consul: its *health*, and its *members*, which are in use."""

    health: VersionHealth
    members: tuple[PoolMember, ...] = ()


def fill(
    service: CompiledService, found: Mapping[str, ConsulEndpoints], before: Mapping[str, EndpointPool]
) -> CompiledService:
    """*service* with what was *found* for its versions from Consul; itself, if it has that already.

    *before*: Pools of the same versions, which are kept where they would come out the same: they are origins.
    """
    pools = {**service.pools}
    for version, one in found.items():
        if version in pools:
            pools[version] = _version_pool(service, version, one, before.get(version))
    for version, one in found.items():
        if version in pools and one.health.uses_default:
            pools[version] = pools[service.default]
    health = {version: one.health for version, one in found.items() if version in pools}
    if pools == service.pools and health == service.health:
        return service
    return evolve(service, pools=pools, health=health)


def build_members(
    instances: Sequence[ServiceInstance], standings: HealthByInstance, health: VersionHealth
) -> tuple[PoolMember, ...]:
    """The endpoints that *instances* make: those that count, or all in a default version that has too few of them.

    Host names stand for nothing where there are IP addresses.
    """
    used = [one for one in instances if health.state != HEALTHY or standings[one.qualified_id].is_usable]
    found = list(_merge_members(map(_build_member, used)))
    addresses = [member for member in found if CNAME not in member.records]
    return tuple((addresses or found)[:MAX_MEMBERS])


def _version_pool(
    service: CompiledService, version: str, found: ConsulEndpoints, before: EndpointPool | None
) -> EndpointPool:
    if found.health.state == UNKNOWN:
        made = EndpointPool(service.name, version, (), 1, service.endpoint_key, is_known=False)
        return before if before is not None and _is_same(before, made) else made
    answers = service.consul_versions[version].answers
    if any(CNAME in member.records for member in found.members):
        answers = 1
    made = build_pool(service.name, version, found.members, answers, service.endpoint_key)
    return before if before is not None and _is_same(before, made) else made


def _is_same(one: EndpointPool, other: EndpointPool) -> bool:
    return (
        one.is_known == other.is_known
        and (one.service, one.version, one.answers, one.key) == (other.service, other.version, other.answers, other.key)
        and [(it.identity, it.weight) for it in one.members] == [(it.identity, it.weight) for it in other.members]
    )


def _build_member(instance: ServiceInstance) -> PoolMember | None:
    """The endpoint at *instance*; None if that has no usable address. One that does not pass has the share
    it would have."""
    if (found := host_record(instance.host)) is None:
        return None
    records = {found[0]: (found[1],)}
    weight = instance.weights.passing if instance.status == CRITICAL else instance.weight
    return PoolMember(instance.host, encode_records(records), weight, records)


def _merge_members(members: Iterable[PoolMember | None]) -> Iterable[PoolMember]:
    """*members*, those at one address as one with their weights together."""
    merged: dict[bytes, PoolMember] = {}
    for member in members:
        if member is None:
            continue
        known = merged.get(member.identity)
        weight = member.weight + (0 if known is None else known.weight)
        merged[member.identity] = PoolMember(member.name, member.identity, weight, member.records)
    return merged.values()


#: What tells clients apart. Not who they are: that would forbid every cache between us and them (TTL 0).
INSTANCE_CLIENT_KEY = compile_client_key(("subnet", "source"), {})


def overlay_selection(plan: Plan, selection: InstanceSelection, tenant: str) -> Plan:
    """*plan* with an instance of *selection* for the clients that it leaves to the zone.

    Made again when the selection changes; *tenant* is the domain's. Without instances it is *plan* as it is, so
    that names made up by clients make no cohorts.
    """
    if not selection.instances:
        return plan
    if selection.leading_count < 2:
        return _with_fallback(
            plan,
            _SelectionDecisions(
                tenant, selection, varies=plan.varies, ecs_scopes=(plan.ecs_scope_v4, plan.ecs_scope_v6), first=None
            ),
        )
    reach = (
        max(plan.ecs_scope_v4, INSTANCE_CLIENT_KEY.ecs_scope_v4),
        max(plan.ecs_scope_v6, INSTANCE_CLIENT_KEY.ecs_scope_v6),
    )
    return _with_fallback(
        plan,
        _SelectionDecisions(tenant, selection, varies=True, ecs_scopes=reach, first=_first_instance(tenant, selection)),
    )


@frozen(eq=False)
class _SelectionDecisions:
    """Makes the Decisions for one InstanceSelection.

    *varies*, *ecs_scopes*: of all Decisions for the name. *first*: who leads for a client, None = the same for all.
    """

    tenant: str
    selection: InstanceSelection
    varies: bool = field(kw_only=True)
    ecs_scopes: tuple[int, int] = field(kw_only=True)
    first: Callable[[Client], int] | None = field(kw_only=True)
    _made: dict[int, Decision] = field(init=False, factory=dict)
    _raised: dict[Decision, Decision] = field(init=False, factory=dict)

    def decider(self) -> DecideByClient:
        """What says which instance is first for a client."""
        first, made, make = self.first, self._made, self._make
        if first is None:
            one = self.constant_decision
            return lambda client: one

        def decide(client: Client) -> Decision:
            number = first(client)
            return made.get(number) or make(number)

        return decide

    @property
    def constant_decision(self) -> Decision:
        """The Decision for the first instance: of all, where all get one order."""
        return self._made.get(0) or self._make(0)

    def _make(self, first: int) -> Decision:
        """The Decision for instance number *first*; one object for each."""
        instances = self.selection.instances
        decision = self._made[first] = Decision(
            Cohort(self.tenant, self.selection.service, self.selection.tag, instances[first].qualified_id),
            varies=self.varies,
            ecs_scope_v4=self.ecs_scopes[0],
            ecs_scope_v6=self.ecs_scopes[1],
            origin=LeadingInstance(self.selection, first),
            why="instances that Consul knows",
        )
        return decision

    def widen(self, decision: Decision) -> Decision:
        """A *decision* of the policy for the same name: all its answers have one scope."""
        if (decision.varies, decision.ecs_scope_v4, decision.ecs_scope_v6) == (self.varies, *self.ecs_scopes):
            return decision
        if decision not in self._raised:
            reach4, reach6 = self.ecs_scopes
            self._raised[decision] = evolve(decision, varies=self.varies, ecs_scope_v4=reach4, ecs_scope_v6=reach6)
        return self._raised[decision]


def _with_fallback(plan: Plan, order: _SelectionDecisions) -> Plan:
    single, decide = plan.constant_decision, order.decider()
    if single is not None and single.kind is not DecisionKind.PLAIN:
        return plan
    if single is not None and order.first is None:
        return evolve(plan, decide=decide, constant_decision=order.constant_decision, fallback=decide)
    return evolve(
        plan,
        decide=decide if single is not None else _replace_no_match(plan.decide, order, decide),
        constant_decision=None,
        ecs_scope_v4=order.ecs_scopes[0],
        ecs_scope_v6=order.ecs_scopes[1],
        reads_subnet_only=plan.reads_subnet_only or single is not None,
        steps=tuple(step._replace(make_decision=_raised(step.make_decision, order)) for step in plan.steps),
        fallback=_replace_no_match(plan.fallback, order, decide),
    )


def _replace_no_match(choose: DecideByClient, order: _SelectionDecisions, fill: DecideByClient) -> DecideByClient:
    """What *choose* says, and *fill* where that leaves it to the zone."""

    def decide(client: Client) -> Decision:
        decision = choose(client)
        return fill(client) if decision.kind is DecisionKind.PLAIN else order.widen(decision)

    return decide


def _raised(settle: MakeDecision, order: _SelectionDecisions) -> MakeDecision:
    return lambda found, client: order.widen(settle(found, client))


def _first_instance(tenant: str, selection: InstanceSelection) -> Callable[[Client], int]:
    """Who leads for a client."""
    read, first = INSTANCE_CLIENT_KEY.read, _selection_pool(tenant, selection).select_first
    return lambda client: first(read(client))


def _selection_pool(tenant: str, selection: InstanceSelection) -> EndpointPool:
    """The instances that may be first, under a hash key of their service: whatever tag is asked for, a client keeps the
    instance that is its own, if that has the tag."""
    name = selection.service.lower()
    key = derive_hash_key(tenant, name, name, PURPOSE_ENDPOINT)
    found: EndpointPool | None = selection.derived.get(("pool", key))
    if found is None:
        leading = selection.instances[: min(selection.leading_count, MAX_MEMBERS)]
        members = [PoolMember(one.qualified_id, one.qualified_id.encode(), one.weight, {}) for one in leading]
        selection.derived["pool", key] = found = build_pool(name, selection.tag, members, len(members), key)
    return found
