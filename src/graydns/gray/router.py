"""The Router: the only place where it is decided which answer a client gets. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import attrgetter

from attrs import evolve, field, frozen

from graydns.gray.applicable_rules import select_applicable
from graydns.gray.compiled_service import CompiledService
from graydns.gray.explanation import ExplainContext, Explanation, explain_plan
from graydns.gray.geo import GeoLocator
from graydns.gray.network_index import ExtendedNetworkIndex, NetworkIndex
from graydns.gray.plan import Plan, build_plan
from graydns.gray.rule_index import RuleBundle, RuleIndex
from graydns.gray.rules import CompiledRule
from graydns.model.decision import Decision
from graydns.model.query import Query
from graydns.runtime.steps import reclaim, run_steps

#: Plans remembered at most: this many, and a few for each service and rule.
MIN_PLAN_CACHE_SIZE = 1_000

#: Rules that are put in order in one step.
_RULES_PER_STEP = 1_000

_by_order = attrgetter("order")

_PlanKey = tuple[int, CompiledService | None, tuple[RuleBundle, ...]]


@frozen(eq=False)
class Router:
    """The compiled policy of one tenant.

    *services*: by wire-form name. *clock*: Unix seconds, for rules that test the time. *warnings*: what an operator
    should know. *extended_networks*: those of services whose whitelist names networks that *networks* does not have.
    """

    tenant: str
    services: Mapping[bytes, CompiledService] = field(repr=False)
    rule_index: RuleIndex = field(repr=False)
    rules: tuple[CompiledRule, ...] = field(repr=False)
    networks: NetworkIndex = field(repr=False)
    geo: GeoLocator | None = field(repr=False)
    clock: Callable[[], float] | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    extended_networks: Mapping[CompiledService, NetworkIndex] = field(factory=dict, repr=False)
    _qtypes: frozenset[int] = field(repr=False)
    _plans: dict[_PlanKey, Plan] = field(init=False, factory=dict, repr=False)

    @_qtypes.default
    def _find_qtypes(self) -> frozenset[int]:
        """The types that any rule tests; all others are alike."""
        return frozenset(rule.conditions.qtype for rule in self.rules if rule.conditions.qtype is not None)

    def with_services(self, changed: Mapping[bytes, CompiledService]) -> Router:
        """The same policy but for these services, which it has under the same names; O(services), shares the rules."""
        services = {**self.services, **changed}
        current = frozenset(services.values())
        wider = {service: networks for service, networks in self.extended_networks.items() if service in current}
        for service in changed.values():
            if more := [network for network in service.whitelist_networks if network not in self.networks]:
                wider[service] = ExtendedNetworkIndex(self.networks, more)
        return evolve(self, services=services, extended_networks=wider)

    def plan(self, qname: bytes, qtype: int) -> Plan:
        """The plan for a name (wire form, lowered) and type; names that the same rules see share one."""
        service = self.services.get(qname)
        key = (qtype if qtype in self._qtypes else 0, service, tuple(self.rule_index.matching(qname)))
        if (plan := self._plans.get(key)) is None:
            if len(self._plans) >= MIN_PLAN_CACHE_SIZE + 4 * (len(self.services) + len(self.rules)):
                self._plans.clear()
            plan = self._plans[key] = self._build_plan(*key)
        return plan

    def reclaim_steps(self) -> Iterator[None]:
        """What drops its plans in small steps, once this object is gone: it does not hold it."""
        return reclaim(self._plans)

    def decide(self, query: Query) -> Decision:
        """The verdict for *query*."""
        return self.plan(query.qname, query.qtype).decide(query.client)

    def explain(self, query: Query) -> Explanation:
        """The verdict for *query*, how it came about, and what became of every rule."""
        return run_steps(self.explain_plan(query))

    def explain_plan(
        self, query: Query, plan: Plan | None = None, catalog: str | None = None
    ) -> Generator[None, None, Explanation]:
        """The same in small steps: a policy may have 100,000 rules.

        *plan*: what the Plan of this Router became, *catalog*: see Scene; both for names of Consul's catalog.
        """
        rules = yield from _sort_rules(self.rules)
        plan = plan or self.plan(query.qname, query.qtype)
        return (yield from explain_plan(self.explain_context(query, catalog), plan, rules))

    def explain_context(self, query: Query, catalog: str | None = None) -> ExplainContext:
        """*query* as this Router sees it."""
        return ExplainContext(
            tenant=self.tenant,
            query=query,
            zone=self.rule_index.find_zone(query.qname),
            service=self.services.get(query.qname),
            geo=self.geo,
            clock=self.clock,
            catalog=catalog,
        )

    def _build_plan(self, qtype: int, service: CompiledService | None, bundles: Iterable[RuleBundle]) -> Plan:
        versions = (None, *(service.pools if service else ()))
        groups = [group for bundle in bundles for group in bundle.groups(qtype, versions)]
        networks = self.networks if service is None else self.extended_networks.get(service, self.networks)
        return build_plan(self.tenant, select_applicable(groups, service), networks, self.geo, self.clock)


def _sort_rules(rules: Sequence[CompiledRule]) -> Generator[None, None, Iterable[CompiledRule]]:
    """*rules*, best rank first, in small steps; what is given takes the last of them as it is iterated over."""
    parts = []
    for start in range(0, len(rules), _RULES_PER_STEP):
        parts.append(sorted(rules[start : start + _RULES_PER_STEP], key=_by_order))
        yield
    return merge(*parts, key=_by_order)
