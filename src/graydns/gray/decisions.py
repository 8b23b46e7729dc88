"""The Decisions of one plan, each made once: equal verdicts are the same object."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from graydns.gray.client_key import KEY_TYPE_IDENTITY
from graydns.gray.compiled_service import CompiledService
from graydns.gray.endpoint_pool import EndpointPool
from graydns.gray.rules import DEFAULT_RECORDS_TTL_SECONDS, CompiledRule
from graydns.model.client import Client
from graydns.model.decision import Cohort, Decision, DecisionKind

DecideByClient = Callable[[Client], Decision]
DecideByKey = Callable[[bytes], Decision]


@frozen(eq=False)
class DecisionFactory:
    """Makes the Decisions for one name. *varies*, *ecs_scope_v4*, *ecs_scope_v6*: see Decision; they belong to the
    name."""

    tenant: str
    service: CompiledService | None
    varies: bool
    ecs_scope_v4: int
    ecs_scope_v6: int
    _of_rules: dict[CompiledRule, Decision] = field(factory=dict, init=False, repr=False)
    _of_versions: dict[tuple[EndpointPool, int, bool, int], Decision] = field(factory=dict, init=False, repr=False)

    def no_match(self) -> Decision:
        """Nothing of the policy applies."""
        return Decision(
            Cohort(self.tenant),
            varies=self.varies,
            ecs_scope_v4=self.ecs_scope_v4,
            ecs_scope_v6=self.ecs_scope_v6,
            why="nothing applies",
        )

    def for_rule(self, rule: CompiledRule) -> Decision:
        """What *rule*, which blocks, gives records or names an upstream, says."""
        if rule not in self._of_rules:
            self._of_rules[rule] = self._make_for_rule(rule)
        return self._of_rules[rule]

    def for_endpoint(self, pool: EndpointPool, first: int, private: bool, ttl: int) -> Decision:
        """Version *pool*, starting at its endpoint *first*."""
        key = pool, first, private, 0 if private else ttl
        if key not in self._of_versions:
            self._of_versions[key] = self._make_for_endpoint(*key)
        return self._of_versions[key]

    def for_version(self, name: str, ttl: int | None, personal: bool) -> Decision | DecideByClient:
        """What clients get for whom version *name* is settled (*personal*: by who they are).

        One Decision, or what chooses among its endpoints.
        """
        assert self.service is not None
        pool = self.service.pools[name]
        if pool.is_fixed:
            return self.for_endpoint(pool, 0, personal, self._ttl(ttl))
        read, choose = self.service.client_key.read, self.for_version_by_key(name, ttl, personal)
        return lambda client: choose(read(client))

    def for_version_by_key(self, name: str, ttl: int | None = None, personal: bool = False) -> DecideByKey:
        """What chooses among the endpoints of version *name* for a client key that has been read anyway."""
        assert self.service is not None
        pool, seconds = self.service.pools[name], self._ttl(ttl)
        if pool.is_fixed:
            public, private = (self.for_endpoint(pool, 0, private, seconds) for private in (personal, True))
            return lambda key: private if key[0] == KEY_TYPE_IDENTITY else public
        first, of_version = pool.select_first, self.for_endpoint
        return lambda key: of_version(pool, first(key), personal or key[0] == KEY_TYPE_IDENTITY, seconds)

    def _ttl(self, ttl: int | None) -> int:
        """A rule's *ttl*, but never more than the service's."""
        assert self.service is not None
        return self.service.ttl if ttl is None else min(ttl, self.service.ttl)

    def _make_for_endpoint(self, pool: EndpointPool, first: int, private: bool, ttl: int) -> Decision:
        endpoint = pool.members[first].name if pool.members else ""
        health = None if self.service is None else self.service.health.get(pool.version)
        return Decision(
            Cohort(self.tenant, pool.service, pool.version, endpoint),
            DecisionKind.VERSION if pool.is_known else DecisionKind.UNKNOWN,
            records=pool.records(first),
            ttl=ttl,
            ttl_cap=ttl,
            private=private,
            varies=self.varies,
            ecs_scope_v4=self.ecs_scope_v4,
            ecs_scope_v6=self.ecs_scope_v6,
            stale=health is not None and health.stale,
            origin=pool,
            why=f"version {pool.version} of {pool.service}",
        )

    def _make_for_rule(self, rule: CompiledRule) -> Decision:
        private = rule.conditions.is_personal
        caps = [ttl for ttl in (rule.ttl, self.service.ttl if self.service else None) if ttl is not None]
        cap = 0 if private else min(caps, default=None)
        return Decision(
            Cohort(self.tenant, rule.name, f"rule:{rule.name}"),
            DecisionKind.BLOCK
            if rule.block
            else DecisionKind.UPSTREAM
            if rule.upstream is not None
            else DecisionKind.RECORDS,
            records=rule.records or {},
            ttl=DEFAULT_RECORDS_TTL_SECONDS if cap is None else cap,
            ttl_cap=cap,
            block=rule.block,
            upstream=rule.upstream,
            private=private,
            varies=self.varies,
            ecs_scope_v4=self.ecs_scope_v4,
            ecs_scope_v6=self.ecs_scope_v6,
            origin=rule,
            why=f"rule {rule.name}: {rule.outcome_text}",
        )
