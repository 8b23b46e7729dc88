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
from graydns.model.errors import printable
from graydns.model.policy import ConsulVersionSource
from graydns.runtime.timing import Clock
from graydns.snapshot.snapshot import Snapshot

#: The least time between two looks at what changes by itself, in seconds.
MIN_WAKE_SECONDS = 0.01

#: A service: its tenant, and its name in wire form.
TenantService = tuple[str, bytes]


@define(eq=False)
class _VersionState:
    """What is kept of one version from one Snapshot to the next."""

    source: ConsulVersionSource
    standings: HealthByInstance | None = None
    health: VersionHealth | None = None
    pool: EndpointPool | None = None


@define(eq=False)
class VersionEndpoints:
    """The endpoints of service versions that are instances of a service in Consul.

    *find_view*: what Consul last said of a service, None = nothing yet. *only_passing*: whether a warning is a failure.
    *is_stale*: whether a view is too old. *service_names*: the names, in wire form, of the services with such versions.
    """

    find_view: Callable[[str], ServiceView | None] = field(repr=False)
    clock: Clock = field(repr=False)
    only_passing: bool = False
    is_stale: Callable[[ServiceView], bool] = field(default=lambda view: False, repr=False)
    _service_callbacks: list[Callable[[list[TenantService]], None]] = field(init=False, factory=list, repr=False)
    _names_callbacks: list[Callable[[Iterable[str]], None]] = field(init=False, factory=list, repr=False)
    service_names: frozenset[bytes] = field(init=False, default=frozenset(), repr=False)
    _version_states: dict[TenantService, dict[str, _VersionState]] = field(init=False, factory=dict, repr=False)
    _services_by_consul_name: Mapping[str, list[TenantService]] = field(init=False, factory=dict, repr=False)
    _transition_times: dict[TenantService, float] = field(init=False, factory=dict, repr=False)
    _timer: Any = field(init=False, default=None, repr=False)

    _log = Logger()

    @property
    def consul_names(self) -> frozenset[str]:
        """The services of Consul that versions name."""
        return frozenset(self._services_by_consul_name)

    def subscribe(self, on_services_changed: Callable[[list[TenantService]], None]) -> None:
        """Call *on_services_changed* with the services whose endpoints have changed: they have to be compiled again."""
        self._service_callbacks.append(on_services_changed)

    def subscribe_to_names(self, on_names_changed: Callable[[Iterable[str]], None]) -> None:
        """Call *on_names_changed* with the services of Consul that versions name, whenever they have changed."""
        self._names_callbacks.append(on_names_changed)

    def fill_snapshot(self, snapshot: Snapshot) -> Snapshot:
        """*snapshot*, whose services may be new, with the endpoints of their versions."""
        naming: defaultdict[str, list[TenantService]] = defaultdict(list)
        kept: dict[TenantService, dict[str, _VersionState]] = {}
        for place, service in _consul_services(snapshot):
            before = self._version_states.get(place, {})
            kept[place] = {}
            for version, source in _version_sources(service):
                old = before.get(version)
                kept[place][version] = old if old is not None and old.source == source else _VersionState(source)
                naming[source.service].append(place)
        names, self._version_states, self._services_by_consul_name = self.consul_names, kept, dict(naming)
        self.service_names, self._transition_times = frozenset(name for _, name in kept), {}
        if self.consul_names != names:
            for on_names_changed in self._names_callbacks:
                on_names_changed(self.consul_names)
        return self.update_services(snapshot, kept)

    def update_services(self, snapshot: Snapshot, places: Iterable[TenantService]) -> Snapshot:
        """*snapshot* with the services at *places* as Consul has them now; itself, if that changes nothing."""
        changed: defaultdict[str, dict[bytes, CompiledService]] = defaultdict(dict)
        for tenant, name in dict.fromkeys(places):
            service = snapshot.routers[tenant].services[name]
            filled = self._fill_service(service, self._version_states[tenant, name])
            if filled is not service:
                changed[tenant][name] = filled
            self._note_transition((tenant, name))
        self._schedule_wake()
        if not changed:
            return snapshot
        routers: dict[str, Router] = {**snapshot.routers}
        for tenant, services in changed.items():
            routers[tenant] = routers[tenant].with_services(services)
        return evolve(snapshot, routers=routers)

    def on_view(self, view: ServiceView) -> None:
        """Consul says something else of a service than before, or its data have become stale, or are so no more."""
        if places := self._services_by_consul_name.get(view.name.lower()):
            self._notify(places)

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _fill_service(self, service: CompiledService, kept: Mapping[str, _VersionState]) -> CompiledService:
        found: dict[str, ConsulEndpoints] = {}
        for version, one in kept.items():
            found[version] = self._find_endpoints(service, version, one)
        filled = fill(service, found, {version: one.pool for version, one in kept.items() if one.pool is not None})
        for version, one in kept.items():
            if version in filled.pools and not found[version].health.uses_default:
                one.pool = filled.pools[version]
        return filled

    def _find_endpoints(self, service: CompiledService, version: str, kept: _VersionState) -> ConsulEndpoints:
        default = "" if version == service.default else service.default
        view, source = self.find_view(kept.source.service), kept.source
        instances = [] if view is None else select_instances(view.instances, source)
        if view is not None:
            told = {one.qualified_id: is_healthy(one, self.only_passing) for one in instances}
            kept.standings = apply_hysteresis(kept.standings or {}, told, source, self.clock.seconds())
        health = assess_version(source, kept.standings, default, stale=view is not None and self.is_stale(view))
        self._log_health(service.name, version, kept, health)
        return ConsulEndpoints(health, build_members(instances, kept.standings or {}, health))

    def _log_health(self, service: str, version: str, kept: _VersionState, health: VersionHealth) -> None:
        """Log what has become of a version, if it is something else than it was."""
        before, kept.health = kept.health, health
        if health.state == (UNKNOWN if before is None else before.state):
            return
        say = self._log.info if health.state == HEALTHY else self._log.warn
        said = printable(f"version {version} of {service}: {health}")
        say("{said}", said=said)

    def _note_transition(self, place: TenantService) -> None:
        """Note when an instance of the service at *place* has been healthy, or not, for long enough."""
        ends = [next_transition(one.standings or {}, one.source) for one in self._version_states[place].values()]
        end = min((end for end in ends if end is not None), default=None)
        if end is None:
            self._transition_times.pop(place, None)
        else:
            self._transition_times[place] = end

    def _schedule_wake(self) -> None:
        """Wake when the next of them has."""
        self.stop()
        self._timer = None
        if self._transition_times:
            left = min(self._transition_times.values()) - self.clock.seconds()
            self._timer = self.clock.callLater(max(MIN_WAKE_SECONDS, left), self._wake)

    def _wake(self) -> None:
        now = self.clock.seconds()
        self._notify(place for place, end in self._transition_times.items() if end <= now)
        if self._timer is None or not self._timer.active():
            self._schedule_wake()

    def _notify(self, places: Iterable[TenantService]) -> None:
        try:
            for on_services_changed in self._service_callbacks:
                on_services_changed(list(places))
        except Exception:  # the watch has to go on
            self._log.failure("compiling services again")


def _consul_services(snapshot: Snapshot) -> Iterator[tuple[TenantService, CompiledService]]:
    for tenant, router in snapshot.routers.items():
        for name, service in router.services.items():
            if service.consul_versions:
                yield (tenant, name), service


def _version_sources(service: CompiledService) -> Iterator[tuple[str, ConsulVersionSource]]:
    for version, written in service.consul_versions.items():
        if written.consul is not None:
            yield version, written.consul
