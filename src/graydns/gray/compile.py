"""From policy values to a Router, in small steps, so that a large policy need not stop the world."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence

import re2
from attrs import define, field, frozen

from graydns.gray.bundle import Bundle
from graydns.gray.conflicts import Placed, check_rules, overlaps
from graydns.gray.faults import Faults
from graydns.gray.geo import Geo
from graydns.gray.names import Form, to_wire
from graydns.gray.networks import Networks
from graydns.gray.router import Router, enclosing
from graydns.gray.rules import CompiledRule, compile_rule
from graydns.gray.scope import Scope
from graydns.gray.service import CompiledService, compile_service
from graydns.model.errors import ConfigError, Fault
from graydns.model.name import is_within, to_text
from graydns.model.policy import Rule, Service

#: Regular expressions a tenant may have: RE2 keeps their states in memory.
MAX_REGEXES = 1_000

#: Warnings of one kind that are given in full.
MAX_WARNINGS = 100


@frozen
class ZonePolicy:
    """The policy that stands in one zone's file. *zone* and the services' names are in wire form, lowered."""

    zone: bytes
    services: Mapping[bytes, Service] = field(factory=dict)
    rules: Sequence[Rule] = ()
    file: str = ""


def compile_router(tenant: str, zones: Sequence[ZonePolicy], rules: Sequence[Rule], geo: Geo | None = None) -> Router:
    """Compile the policy of *tenant*: its *zones*, and its own *rules*, which see every name asked in it.

    Raises ConfigError with all faults; their paths start at the top of the zone's file, or with
    ``("tenants", tenant, "rules")``.
    """
    steps = compile_steps(tenant, zones, rules, geo)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            router: Router = done.value
            return router


def compile_steps(
    tenant: str, zones: Sequence[ZonePolicy], rules: Sequence[Rule], geo: Geo | None = None
) -> Generator[None, None, Router]:
    """The same as `compile_router`, pausing after every few microseconds of work.

    Two steps take longer where there are many rules: indexing the largest group, and building the RE2 sets.
    """
    work = _Compilation(tenant, zones, rules, geo)
    yield from work.read_services()
    yield from work.read_rules()
    yield from check_rules(work.placed)
    yield from work.index()
    yield from work.check_versions()
    if work.sink:
        raise ConfigError(work.sink)
    for warning in overlaps(rule for rule, _ in work.placed):
        work.warnings.append(warning)
        yield
    yield from work.networks.seal()
    return work.router()


@define
class _Compilation:
    tenant: str
    zones: Sequence[ZonePolicy]
    rules: Sequence[Rule]
    geo: Geo | None
    sink: list[Fault] = field(factory=list)
    networks: Networks = field(factory=Networks)
    services: dict[bytes, CompiledService] = field(factory=dict)
    placed: list[Placed] = field(factory=list)
    scopes: dict[bytes | None, Scope] = field(factory=dict)
    warnings: list[str] = field(factory=list)

    def read_services(self) -> Iterator[None]:
        for policy in self.zones:
            for name, service in policy.services.items():
                text = to_text(name)
                faults = Faults(self.sink, policy.file, ("services", text))
                if not is_within(name, policy.zone):
                    faults.add(f"{text!r}", f"a name in {to_text(policy.zone)}")
                compiled = self.services[name] = compile_service(self.tenant, text, service, faults)
                for network in compiled.networks:
                    self.networks.number(network)
                yield

    def read_rules(self) -> Iterator[None]:
        yield from self._read_rules(self.rules, None, Faults(self.sink, path=("tenants", self.tenant, "rules")))
        for policy in self.zones:
            yield from self._read_rules(policy.rules, policy.zone, Faults(self.sink, policy.file, ("rules",)))

    def _read_rules(self, rules: Sequence[Rule], zone: bytes | None, faults: Faults) -> Iterator[None]:
        for at, written in enumerate(rules):
            place = faults.under(at)
            rule = compile_rule(written, zone, place)
            if rule.conditions.network is not None:
                self.networks.number(rule.conditions.network)
            self.placed.append((rule, place))
            yield

    def index(self) -> Iterator[None]:
        """File every rule that can match under the names it sees."""
        self.scopes = {None: Scope(self.networks)} | {policy.zone: Scope(self.networks) for policy in self.zones}
        regexes = 0
        for rule, place in self.placed:
            regexes += rule.conditions.regex is not None
            if rule.conditions.regex is not None and regexes > MAX_REGEXES:
                place.add(f"regex number {regexes} of tenant {self.tenant}", f"at most {MAX_REGEXES}", "when", "regex")
            elif rule.conditions.is_geographic and self.geo is None:
                self._warn(rule, "tests a place, but there is no geo database")
            else:
                self.scopes[rule.zone].add(rule)
            yield
        for scope in self.scopes.values():
            try:
                yield from scope.seal()
            except re2.error as error:
                Faults(self.sink).add(f"regular expressions that RE2 cannot hold together ({error})", "fewer or smaller")

    def check_versions(self) -> Iterator[None]:
        """Rules that name a version which no name they see has: an error if they name a service, else a warning."""
        led: set[tuple[int, str]] = set()
        for name, service in self.services.items():
            for bundle in self._bundles(name):
                led.update((id(bundle), version) for version in service.pools)
            yield
