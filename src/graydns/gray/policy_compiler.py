"""From policy values to a Router, in small steps, so that a large policy need not stop the world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

import re2
from attrs import define, field, frozen

from graydns.gray.compiled_service import CompiledService, compile_service
from graydns.gray.dimensions import RANK_ORDER, RankField
from graydns.gray.geo import GeoLocator
from graydns.gray.name_patterns import PatternForm, to_wire
from graydns.gray.network_index import NetworkIndex
from graydns.gray.router import Router
from graydns.gray.rule_index import RuleBundle, RuleIndex
from graydns.gray.rules import CompiledRule, LocatedRule, check_duplicates, compile_rule, find_overlaps
from graydns.model.errors import ConfigError, ConfigIssue, PolicyIssues
from graydns.model.name import is_within, to_text
from graydns.model.policy import Rule, ServicePolicy
from graydns.runtime.steps import reclaim

#: Regular expressions a tenant may have: RE2 keeps their states in memory.
MAX_REGEXES = 1_000

#: Warnings of one kind that are given in full.
MAX_RULE_WARNINGS = 100


@frozen
class ZonePolicy:
    """The policy that stands in one zone's file. *zone* and the services' names are in wire form, lowered."""

    zone: bytes
    services: Mapping[bytes, ServicePolicy] = field(factory=dict)
    rules: Sequence[Rule] = ()
    file: str = ""


def compile_policy(
    tenant: str,
    zones: Sequence[ZonePolicy],
    rules: Sequence[Rule],
    geo: GeoLocator | None = None,
    clock: Callable[[], float] | None = None,
    rank_order: tuple[RankField, ...] = RANK_ORDER,
) -> Generator[None, None, Router]:
    """Compile the policy of *tenant*: its *zones*, and its own *rules*, which see every name asked in it.

    *clock*: Unix seconds, for rules that test the time. *rank_order*: the dimensions that rules may test. Pauses after
    every few microseconds of work, except while the RE2 sets are built. Raises ConfigError with all issues; their paths
    start at the top of the zone's file, those of the tenant's own rules, which name no file, with ``"rules"``.
    """
    work = _PolicyCompilation(tenant, zones, rules, geo, clock, rank_order)
    yield from work.read_services()
    yield from work.read_rules()
    yield from check_duplicates(work.located_rules)
    yield from work.index()
    yield from work.check_versions()
    if work.issues:
        raise ConfigError(work.issues)
    for warning in find_overlaps(rule for rule, _ in work.located_rules):
        if warning is not None:
            work.warnings.append(warning)
        yield
    yield from work.networks.build()
    yield from reclaim(work.indexed_rules)
    router = work.build_router()
    yield
    yield from reclaim(work.located_rules)
    return router


@define
class _PolicyCompilation:
    tenant: str
    zones: Sequence[ZonePolicy]
    rules: Sequence[Rule]
    geo: GeoLocator | None
    clock: Callable[[], float] | None
    rank_order: tuple[RankField, ...]
    issues: list[ConfigIssue] = field(factory=list)
    networks: NetworkIndex = field(factory=NetworkIndex)
    services: dict[bytes, CompiledService] = field(factory=dict)
    located_rules: list[LocatedRule] = field(factory=list)
    compiled_rules: list[CompiledRule] = field(factory=list)
    qtypes: set[int] = field(factory=set)
    rule_index: RuleIndex = field(init=False)
    indexed_rules: list[tuple[CompiledRule, PolicyIssues, RuleBundle]] = field(factory=list)
    warnings: list[str] = field(factory=list)

    def read_services(self) -> Iterator[None]:
        for policy in self.zones:
            for name, service in policy.services.items():
                text = to_text(name)
                faults = PolicyIssues(self.issues, policy.file, ("services", text))
                if not is_within(name, policy.zone):
                    faults.add(f"{text!r}", f"a name in {to_text(policy.zone)}")
                compiled = self.services[name] = compile_service(self.tenant, text, service, faults)
                for network in compiled.whitelist_networks:
                    self.networks.assign_number(network)
                yield

    def read_rules(self) -> Iterator[None]:
        yield from self._read_rules(self.rules, None, PolicyIssues(self.issues, path=("rules",)))
        for policy in self.zones:
            yield from self._read_rules(policy.rules, policy.zone, PolicyIssues(self.issues, policy.file, ("rules",)))

    def _read_rules(self, rules: Sequence[Rule], zone: bytes | None, faults: PolicyIssues) -> Iterator[None]:
        for at, written in enumerate(rules):
            place = faults.under(at)
            rule = compile_rule(written, zone, place, self.rank_order)
            if rule.conditions.network is not None:
                self.networks.assign_number(rule.conditions.network)
            if rule.conditions.qtype is not None:
                self.qtypes.add(rule.conditions.qtype)
            self.located_rules.append((rule, place))
            self.compiled_rules.append(rule)
            yield

    def index(self) -> Iterator[None]:
        """File every rule that can match under the names it sees."""
        self.rule_index = RuleIndex((policy.zone for policy in self.zones), self.networks)
        regexes = 0
        for rule, place in self.located_rules:
            regexes += rule.conditions.regex is not None
            if rule.conditions.regex is not None and regexes > MAX_REGEXES:
                place.add(f"regex number {regexes} of tenant {self.tenant}", f"at most {MAX_REGEXES}", "when", "regex")
            elif rule.conditions.is_geographic and self.geo is None:
                self._warn(rule, "tests a place, but there is no geo database")
            else:
                self.indexed_rules.append((rule, place, self.rule_index.add(rule)))
            yield
        try:
            yield from self.rule_index.build()
        except re2.error as error:
            PolicyIssues(self.issues).add(
                f"regular expressions too large to hold together ({error})", "fewer or smaller ones"
            )

    def check_versions(self) -> Iterator[None]:
        """Rules that no name they see can follow: an error if they name a service, else a warning."""
        led: defaultdict[RuleBundle, set[str]] = defaultdict(set)
        for name, service in self.services.items():
            for bundle in self.rule_index.matching(name):
                led[bundle].update(service.pools)
            yield
        for rule, place, bundle in self.indexed_rules:
            pattern = rule.conditions.pattern
            exact = to_wire(pattern.labels) if pattern is not None and pattern.form is PatternForm.EXACT else b""
            named = self.services.get(exact)
            if exact and rule.zone is not None and self.rule_index.find_zone(exact) != rule.zone:
                self._warn(rule, f"names {to_text(exact)}, which is not in its zone")
            elif rule.version is not None and named is not None and rule.version not in named.pools:
                place.add(f"{rule.version!r}", f"a version of {named.name}", "then", "version")
            elif rule.version is not None and rule.version not in led[bundle]:
                self._warn(rule, f"sees no service that has a version {rule.version!r}")
            yield

    def build_router(self) -> Router:
        return Router(
            tenant=self.tenant,
            services=self.services,
            rule_index=self.rule_index,
            rules=tuple(self.compiled_rules),
            networks=self.networks,
            geo=self.geo,
            clock=self.clock,
            warnings=tuple(self.warnings),
            qtypes=frozenset(self.qtypes),
        )

    def _warn(self, rule: CompiledRule, what: str) -> None:
        if len(self.warnings) < MAX_RULE_WARNINGS:
            self.warnings.append(f"rule {rule.name!r} {what}")
        elif len(self.warnings) == MAX_RULE_WARNINGS:
            self.warnings.append("more rules can never apply")
