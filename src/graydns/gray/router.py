"""The Router: the only place where it is decided which answer a client gets. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import attrgetter

from attrs import evolve, field, frozen

from graydns.gray.bundle import Bundle
from graydns.gray.drop import drop
from graydns.gray.explain import Explanation, explain_steps
from graydns.gray.geo import Geo
from graydns.gray.networks import MoreNetworks, Networks
from graydns.gray.parts import applicable
from graydns.gray.plan import Plan, build_plan
from graydns.gray.rules import CompiledRule
from graydns.gray.scene import Scene
from graydns.gray.scopes import Scopes
from graydns.gray.service import CompiledService
from graydns.model.decision import Decision
from graydns.model.query import Query
from graydns.steps import run

#: Plans remembered at most: this many, and a few for each service and rule.
PLANS = 1_000

#: Rules that are put in order in one step.
_SOME = 1_000

_ORDER = attrgetter("order")

_Key = tuple[int, CompiledService | None, tuple[Bundle, ...]]


@frozen(eq=False)
class Router:
    """The compiled policy of one tenant.

    *services*: by wire-form name. *warnings*: what an operator should hear. *wider*: the networks for services whose
    whitelist names some that were not there when *networks* was sealed.
    """

    tenant: str
    services: Mapping[bytes, CompiledService] = field(repr=False)
    scopes: Scopes = field(repr=False)
    rules: tuple[CompiledRule, ...] = field(repr=False)
    networks: Networks = field(repr=False)
    geo: Geo | None = field(repr=False)
    warnings: tuple[str, ...] = ()
    wider: Mapping[CompiledService, Networks] = field(factory=dict, repr=False)
    _qtypes: frozenset[int] = field(repr=False)
    _plans: dict[_Key, Plan] = field(init=False, factory=dict, repr=False)

    @_qtypes.default
    def _find_qtypes(self) -> frozenset[int]:
        """The types that any rule tests; all others are alike."""
        return frozenset(rule.conditions.qtype for rule in self.rules if rule.conditions.qtype is not None)

    @property
    def origins(self) -> frozenset[object]:
        """Every ``origin`` that a current Decision can have, beside None."""
        pools = (pool for service in self.services.values() for pool in service.pools.values())
        return frozenset((*pools, *(rule for rule in self.rules if rule.version is None)))

    def with_services(self, changed: Mapping[bytes, CompiledService]) -> Router:
        """The same policy but for these services, which it has under the same names; O(services), shares the rules."""
        services = {**self.services, **changed}
        current = frozenset(services.values())
        wider = {service: networks for service, networks in self.wider.items() if service in current}
        for service in changed.values():
            if more := [network for network in service.networks if network not in self.networks]:
                wider[service] = MoreNetworks(self.networks, more)
        return evolve(self, services=services, wider=wider)

    def plan(self, qname: bytes, qtype: int) -> Plan:
        """The plan for a name (wire form, lowered) and type; names that the same rules see share one."""
        service = self.services.get(qname)
        key = (qtype if qtype in self._qtypes else 0, service, tuple(self.scopes.matching(qname)))
        if (plan := self._plans.get(key)) is None:
            if len(self._plans) >= PLANS + 4 * (len(self.services) + len(self.rules)):
                self._plans.clear()
            plan = self._plans[key] = self._plan(*key)
        return plan

    def remains(self) -> Iterator[None]:
        """What drops its plans in small steps, once this object is gone: it does not hold it."""
        return drop(self._plans)

    def decide(self, query: Query) -> Decision:
        """The verdict for *query*."""
        return self.plan(query.qname, query.qtype).decide(query.client)

    def explain(self, query: Query) -> Explanation:
        """The verdict for *query*, how it came about, and what became of every rule."""
        return run(self.explain_steps(query))

    def explain_steps(
        self, query: Query, plan: Plan | None = None, catalog: str | None = None
    ) -> Generator[None, None, Explanation]:
        """The same in small steps: a policy may have 100,000 rules.

        *plan*: what the Plan of this Router became, *catalog*: see Scene; both for names of Consul's catalog.
        """
        rules = yield from _in_order(self.rules)
        plan = plan or self.plan(query.qname, query.qtype)
        return (yield from explain_steps(self.scene(query, catalog), plan, rules))

    def scene(self, query: Query, catalog: str | None = None) -> Scene:
        """*query* as this Router sees it."""
        return Scene(
            tenant=self.tenant,
            query=query,
            zone=self.scopes.zone(query.qname),
            service=self.services.get(query.qname),
            geo=self.geo,
            catalog=catalog,
        )

    def _plan(self, qtype: int, service: CompiledService | None, bundles: Iterable[Bundle]) -> Plan:
        versions = (None, *(service.pools if service else ()))
        groups = [group for bundle in bundles for group in bundle.groups(qtype, versions)]
        networks = self.networks if service is None else self.wider.get(service, self.networks)
        return build_plan(self.tenant, applicable(groups, service), networks, self.geo)


def _in_order(rules: Sequence[CompiledRule]) -> Generator[None, None, Iterable[CompiledRule]]:
    """*rules*, best rank first, in small steps; what is given takes the last of them as it is iterated over."""
    parts = []
    for start in range(0, len(rules), _SOME):
        parts.append(sorted(rules[start : start + _SOME], key=_ORDER))
        yield
    return merge(*parts, key=_ORDER)
