"""The Decisions of one plan, each made once: equal verdicts are the same object."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from graydns.gray.endpoints import Pool
from graydns.gray.key import IDENTITY
from graydns.gray.rules import RECORDS_TTL, CompiledRule
from graydns.gray.service import CompiledService
from graydns.model.decision import Cohort, Decision, Kind
from graydns.model.query import Client

Choose = Callable[[Client], Decision]
ChooseByKey = Callable[[bytes], Decision]


@frozen(eq=False)
class Verdicts:
    """Makes the Decisions for one name. *varies*, *reach4*, *reach6*: see Decision; they belong to the name."""

    tenant: str
    service: CompiledService | None
    varies: bool
    reach4: int
    reach6: int
    _of_rules: dict[CompiledRule, Decision] = field(factory=dict, init=False, repr=False)
    _of_versions: dict[tuple[Pool, int, bool, int], Decision] = field(factory=dict, init=False, repr=False)

    def plain(self) -> Decision:
        """Nothing of the policy applies."""
        return Decision(
            Cohort(self.tenant), varies=self.varies, reach4=self.reach4, reach6=self.reach6, why="nothing applies"
        )

    def of_rule(self, rule: CompiledRule) -> Decision:
        """What *rule*, which blocks, gives records or names an upstream, says."""
        if rule not in self._of_rules:
            self._of_rules[rule] = self._make_of_rule(rule)
        return self._of_rules[rule]

    def of_version(self, pool: Pool, first: int, private: bool, ttl: int) -> Decision:
        """Version *pool*, starting at its endpoint *first*."""
        key = pool, first, private, 0 if private else ttl
        if key not in self._of_versions:
            self._of_versions[key] = self._make_of_version(*key)
        return self._of_versions[key]

    def version(self, name: str, ttl: int | None, personal: bool) -> Decision | Choose:
        """What clients get for whom version *name* is settled (*personal*: by who they are).

        One Decision, or what chooses among its endpoints.
        """
        assert self.service is not None
        pool = self.service.pools[name]
        if pool.is_fixed:
            return self.of_version(pool, 0, personal, self._ttl(ttl))
        read, choose = self.service.key.read, self.version_by_key(name, ttl, personal)
        return lambda client: choose(read(client))

    def version_by_key(self, name: str, ttl: int | None = None, personal: bool = False) -> ChooseByKey:
        """What chooses among the endpoints of version *name* for a client key that has been read anyway."""
        assert self.service is not None
        pool, seconds = self.service.pools[name], self._ttl(ttl)
        if pool.is_fixed:
            public, private = (self.of_version(pool, 0, private, seconds) for private in (personal, True))
            return lambda key: private if key[0] == IDENTITY else public
        first, of_version = pool.first, self.of_version
        return lambda key: of_version(pool, first(key), personal or key[0] == IDENTITY, seconds)

    def _ttl(self, ttl: int | None) -> int:
        """A rule's *ttl*, but never more than the service's."""
        assert self.service is not None
        return self.service.ttl if ttl is None else min(ttl, self.service.ttl)

    def _make_of_version(self, pool: Pool, first: int, private: bool, ttl: int) -> Decision:
        endpoint = pool.members[first].name if pool.members else ""
        health = None if self.service is None else self.service.health.get(pool.version)
        return Decision(
            Cohort(self.tenant, pool.service, pool.version, endpoint),
            Kind.VERSION if pool.known else Kind.UNKNOWN,
            records=pool.records(first),
            ttl=ttl,
            ttl_cap=ttl,
            private=private,
            varies=self.varies,
            reach4=self.reach4,
            reach6=self.reach6,
            stale=health is not None and health.stale,
            origin=pool,
            why=f"version {pool.version} of {pool.service}",
        )

    def _make_of_rule(self, rule: CompiledRule) -> Decision:
        private = rule.conditions.is_personal
        caps = [ttl for ttl in (rule.ttl, self.service.ttl if self.service else None) if ttl is not None]
        cap = 0 if private else min(caps, default=None)
        return Decision(
            Cohort(self.tenant, rule.name, f"rule:{rule.name}"),
            Kind.BLOCK if rule.block else Kind.UPSTREAM if rule.upstream is not None else Kind.RECORDS,
            records=rule.records or {},
            ttl=RECORDS_TTL if cap is None else cap,
            ttl_cap=cap,
            block=rule.block,
            upstream=rule.upstream,
            private=private,
            varies=self.varies,
            reach4=self.reach4,
            reach6=self.reach6,
            origin=rule,
            why=f"rule {rule.name}: {rule.outcome}",
        )
