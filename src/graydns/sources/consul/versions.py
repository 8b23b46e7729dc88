"""Versions: the endpoints in Consul of those versions that come from there, put into every Snapshot.

::

    Snapshot of the files ── fill ──► with endpoints ── served
    Feed ── hear(view) ──► renew: the services that name it, compiled anew ── swapped, and nothing else

Nothing here waits: a service that Consul has said nothing of is filled as such, and again once that has spoken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from attrs import define, evolve, field
from twisted.logger import Logger

from graydns.gray.compiled_service import CompiledService
from graydns.gray.consul_instances import ConsulEndpoints, build_members, fill
from graydns.gray.endpoint_pool import EndpointPool
from graydns.gray.router import Router
from graydns.gray.version_health import (
    HEALTHY,
    UNKNOWN,
    HealthByInstance,
    VersionHealth,
    apply_hysteresis,
    assess_version,
    is_healthy,
    next_transition,
    select_instances,
)
from graydns.model.catalog import ServiceView
from graydns.model.policy import ConsulVersionSource
from graydns.model.text import printable
from graydns.runtime.timing import Clock
from graydns.snapshot.snapshot import Snapshot

#: The least time between two looks at what changes by itself, in seconds.
SOON = 0.01

#: A service: its tenant, and its name in wire form.
Place = tuple[str, bytes]


@define(eq=False)
class _Kept:
    """What is kept of one version from one Snapshot to the next."""

    source: ConsulVersionSource
    standings: HealthByInstance | None = None
    health: VersionHealth | None = None
    pool: EndpointPool | None = None


@define(eq=False)
class Versions:
    """*find*: what Consul last said of a service, None = nothing yet. *only_passing*: whether a warning is a failure.

    *is_stale*: whether that was too long ago. *changed*: is told which services are to be compiled anew. *wanted*: is
    told the services of Consul that versions name whenever those have become others. *places*: the names, in wire form,
    of the services that have such versions.
    """

    find: Callable[[str], ServiceView | None] = field(repr=False)
    clock: Clock = field(repr=False)
    only_passing: bool = False
    changed: Callable[[Iterable[Place]], None] = field(init=False, default=lambda places: None, repr=False)
    is_stale: Callable[[ServiceView], bool] = field(init=False, default=lambda view: False, repr=False)
    wanted: Callable[[Iterable[str]], None] = field(init=False, default=lambda names: None, repr=False)
    places: frozenset[bytes] = field(init=False, default=frozenset(), repr=False)
    _kept: dict[Place, dict[str, _Kept]] = field(init=False, factory=dict, repr=False)
    _naming: Mapping[str, list[Place]] = field(init=False, factory=dict, repr=False)
    _due: dict[Place, float] = field(init=False, factory=dict, repr=False)
    _timer: Any = field(init=False, default=None, repr=False)

    _log = Logger()

    @property
    def names(self) -> frozenset[str]:
        """The services of Consul that versions name."""
        return frozenset(self._naming)

    def fill(self, snapshot: Snapshot) -> Snapshot:
        """*snapshot*, whose services may be new, with the endpoints of their versions."""
        naming: defaultdict[str, list[Place]] = defaultdict(list)
        kept: dict[Place, dict[str, _Kept]] = {}
        for place, service in _services(snapshot):
            before = self._kept.get(place, {})
            kept[place] = {}
            for version, source in _sources(service):
                old = before.get(version)
                kept[place][version] = old if old is not None and old.source == source else _Kept(source)
                naming[source.service].append(place)
        names, self._kept, self._naming = self.names, kept, dict(naming)
        self.places, self._due = frozenset(name for _, name in kept), {}
        if self.names != names:
            self.wanted(self.names)
        return self.renew(snapshot, kept)

    def renew(self, snapshot: Snapshot, places: Iterable[Place]) -> Snapshot:
        """*snapshot* with the services at *places* as Consul has them now; itself, if that changes nothing."""
        changed: defaultdict[str, dict[bytes, CompiledService]] = defaultdict(dict)
        for tenant, name in dict.fromkeys(places):
            service = snapshot.routers[tenant].services[name]
            filled = self._filled(service, self._kept[tenant, name])
            if filled is not service:
                changed[tenant][name] = filled
            self._note_due((tenant, name))
        self._arm()
        if not changed:
            return snapshot
        routers: dict[str, Router] = {**snapshot.routers}
        for tenant, services in changed.items():
            routers[tenant] = routers[tenant].with_services(services)
        return evolve(snapshot, routers=routers)

    def hear(self, view: ServiceView) -> None:
        """Consul says something else of a service than before, or its data have become stale, or are so no more."""
        if places := self._naming.get(view.name.lower()):
            self._tell(places)

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _filled(self, service: CompiledService, kept: Mapping[str, _Kept]) -> CompiledService:
        found: dict[str, ConsulEndpoints] = {}
        for version, one in kept.items():
            found[version] = self._found(service, version, one)
        filled = fill(service, found, {version: one.pool for version, one in kept.items() if one.pool is not None})
        for version, one in kept.items():
            if version in filled.pools and not found[version].health.uses_default:
                one.pool = filled.pools[version]
        return filled

    def _found(self, service: CompiledService, version: str, kept: _Kept) -> ConsulEndpoints:
        default = "" if version == service.default else service.default
        view, source = self.find(kept.source.service), kept.source
        instances = [] if view is None else select_instances(view.instances, source)
        if view is not None:
            told = {one.name: is_healthy(one, self.only_passing) for one in instances}
            kept.standings = apply_hysteresis(kept.standings or {}, told, source, self.clock.seconds())
        health = assess_version(source, kept.standings, default, stale=view is not None and self.is_stale(view))
        self._note(service.name, version, kept, health)
        return ConsulEndpoints(health, build_members(instances, kept.standings or {}, health))

    def _note(self, service: str, version: str, kept: _Kept, health: VersionHealth) -> None:
        """Log what has become of a version, if it is something else than it was."""
        before, kept.health = kept.health, health
        if health.state == (UNKNOWN if before is None else before.state):
            return
        say = self._log.info if health.state == HEALTHY else self._log.warn
        said = printable(f"version {version} of {service}: {health}")
        say("{said}", said=said)

    def _note_due(self, place: Place) -> None:
        """Note when an instance of the service at *place* has been healthy, or not, for long enough."""
        ends = [next_transition(one.standings or {}, one.source) for one in self._kept[place].values()]
        end = min((end for end in ends if end is not None), default=None)
        if end is None:
            self._due.pop(place, None)
        else:
            self._due[place] = end

    def _arm(self) -> None:
        """Wake when the next of them has."""
        self.stop()
        self._timer = None
        if self._due:
            left = min(self._due.values()) - self.clock.seconds()
            self._timer = self.clock.callLater(max(SOON, left), self._wake)

    def _wake(self) -> None:
        now = self.clock.seconds()
        self._tell(place for place, end in self._due.items() if end <= now)
        if self._timer is None or not self._timer.active():
            self._arm()

    def _tell(self, places: Iterable[Place]) -> None:
        try:
            self.changed(list(places))
        except Exception:  # the watch that told us has to go on
            self._log.failure("compiling services anew")


def _services(snapshot: Snapshot) -> Iterator[tuple[Place, CompiledService]]:
    for tenant, router in snapshot.routers.items():
        for name, service in router.services.items():
            if service.consul_versions:
                yield (tenant, name), service


def _sources(service: CompiledService) -> Iterator[tuple[str, ConsulVersionSource]]:
    for version, written in service.consul_versions.items():
        if written.consul is not None:
            yield version, written.consul
