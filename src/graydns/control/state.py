"""State: what is served and where it comes from; every change of it ends in one swap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, Protocol

from attrs import define, evolve, field, frozen
from twisted.internet.defer import DeferredLock

from graydns.config.settings import Config
from graydns.control.live_change_store import LiveChangeStore
from graydns.control.live_changes import ChangeRecord, LiveChanges, ServiceOverride
from graydns.control.policy.acceptance import PolicyRevision
from graydns.control.policy.overlay import overlay_shares
from graydns.control.service_overrides import find_in_snapshot, is_switched_off, overlay_live_changes
from graydns.gray.compiled_service import CompiledService
from graydns.model.errors import ConfigIssue
from graydns.model.name import to_text
from graydns.server import DnsServer
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.reading import Reading


class ServedCounts(Protocol):
    """What a version served lately. *clients*: distinct ones, None where they are not told apart."""

    @property
    def queries(self) -> int:
        """How many."""

    @property
    def clients(self) -> int | None:
        """About how many."""


class ShareCounters(Protocol):
    """Counts what versions serve."""

    def version_traffic(self, tenant: str, service: str) -> Mapping[str, ServedCounts]:
        """What each version of *service* served lately."""

    def reset_services(self, services: Set[tuple[str, str]]) -> None:
        """Count these (tenant, service) anew: who gets what of them has changed."""


@frozen
class FileStatus:
    """How the last reload went. *vanished*: zones that are served although their file is gone. *faults*: what was not
    loaded, by file. *restart_keys*: keys of graydns.yaml whose new value needs a restart. *warnings*: of zone data.
    """

    vanished: frozenset[bytes] = frozenset()
    faults: Mapping[Path, tuple[ConfigIssue, ...]] = field(factory=dict)
    restart_keys: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@define(eq=False)
class ControlState:
    """*served*: what was read of files and is served; *plain*: the Snapshot of it, with the rules of *revision*;
    *base*: that with its shares too; *live*: what operators changed; *keeper*: has it on the disk.

    *revision*: the one of Consul's KV that runs; *aborts*: services that are aborted there, by name in wire form;
    *off*: tenants that are off there, or ALL; *misfits*: shares of the revision that no longer fit the files, and are
    left out.

    *began*: the configuration that the process was started with. *unfit*: live changes that do not fit, by service.
    *vanished*: zones without a file. *faults*: what was not taken of the files, by file. *waiting*: keys that wait for
    a restart. *since*, *started*: Unix seconds of the last swap and of the start. *last*: the last attempt at a reload,
    as ``status`` tells it. *counts*: attempts by outcome. *wall*: Unix seconds.
    """

    server: DnsServer
    served_reading: Reading = field(repr=False)
    wall: Callable[[], float] = field(repr=False)
    shares: ShareCounters | None = field(default=None, repr=False)
    startup_config: Config = field(init=False, repr=False)
    file_snapshot: Snapshot = field(init=False, repr=False)
    base_snapshot: Snapshot = field(init=False)
    revision: PolicyRevision | None = field(init=False, default=None)
    aborts: Mapping[bytes, ChangeRecord] = field(init=False, factory=dict)
    switched_off: Mapping[str, ChangeRecord] = field(init=False, factory=dict)
    policy_issues: tuple[ConfigIssue, ...] = field(init=False, default=())
    live: LiveChanges = field(init=False, factory=LiveChanges)
    store: LiveChangeStore = field(init=False, repr=False)
    unfit: Mapping[str, str] = field(init=False, factory=dict)
    files: FileStatus = field(init=False, factory=FileStatus)
    since: float = field(init=False)
    started: float = field(init=False)
    last_reload: dict[str, Any] = field(init=False)
    reload_counts: Counter[str] = field(init=False, factory=Counter)
    lock: DeferredLock = field(init=False, factory=DeferredLock, repr=False)

    def __attrs_post_init__(self) -> None:
        self.file_snapshot = self.base_snapshot = self.server.snapshot
        self.startup_config = self.base_snapshot.config
        self.store = LiveChangeStore(self.startup_config.data)
        self.since = self.started = self.wall()
        self.last_reload = {"ok": True, "at": self.started, "trigger": "start", "actor": "", "errors": []}

    def adopt_reading(self, reading: Reading, files: FileStatus) -> None:
        """*reading* is what is served, or is about to be; *files*: what became of its files."""
        self.served_reading, self.files = reading, files

    def use_revision(self, revision: PolicyRevision) -> None:
        """Overlay *revision* from the next :meth:`apply_snapshot` on."""
        self.revision = revision

    def set_kill_switches(self, aborts: Mapping[bytes, ChangeRecord], switched_off: Mapping[str, ChangeRecord]) -> None:
        """Have these kill switches of Consul's KV in force from the next :meth:`serve` on."""
        self.aborts, self.switched_off = aborts, switched_off

    def apply_snapshot(self, plain: Snapshot, live: LiveChanges) -> None:
        """Serve *plain*, with the shares of the revision, and *live* on top, from the next query on."""
        base = plain
        misfits: tuple[ConfigIssue, ...] = ()
        if self.revision is not None:
            shared = overlay_shares(plain, self.revision)
            base, misfits = shared.snapshot, shared.faults
        self.file_snapshot, self.policy_issues = plain, misfits
        self.serve(base, live)

    def serve(self, base: Snapshot, live: LiveChanges) -> None:
        """Serve *base* with *live* on top from the next query on; what is halted in KV is so whatever *live* says."""
        applied, before = overlay_live_changes(base, self._with_kill_switches(base, live)), self.server.snapshot
        self.base_snapshot, self.live, self.unfit = base, live, applied.unfit
        self.server.swap(applied.snapshot)
        self.server.set_negative_trust_anchors(frozenset(live.negative_trust_anchors))
        if self.shares is not None and (moved := set(_find_reassigned_services(before, applied.snapshot))):
            self.shares.reset_services(moved)
        self.since = self.wall()

    @property
    def gray_off(self) -> list[str]:
        """Tenants that are off, here or on all nodes, or ALL."""
        return sorted({*self.live.gray_off, *self.switched_off})

    def is_switched_off(self, tenant: str, live: LiveChanges | None = None) -> bool:
        """Whether all services of *tenant* give their default; *live* in the place of what is."""
        return is_switched_off(self._with_switched_off(live or self.live), tenant)

    def _with_switched_off(self, live: LiveChanges) -> LiveChanges:
        return evolve(live, gray_off={**live.gray_off, **self.switched_off})

    def _with_kill_switches(self, base: Snapshot, live: LiveChanges) -> LiveChanges:
        live = self._with_switched_off(live)
        for name, stay in self.aborts.items():
            if (found := find_in_snapshot(base, name)) is not None:
                live = live.with_service(to_text(name), ServiceOverride(found[0], abort=stay))
        return live

    def record_reload(self, trigger: str, actor: str, errors: tuple[str, ...] = ()) -> None:
        """Tell how an attempt at a reload ended."""
        self.reload_counts["refused" if errors else "accepted"] += 1
        self.last_reload = {
            "ok": not errors,
            "at": self.wall(),
            "trigger": trigger,
            "actor": actor,
            "errors": list(errors),
        }


def _find_reassigned_services(before: Snapshot, after: Snapshot) -> Iterator[tuple[str, str]]:
    """Tenant and name of the services of which other clients get a version *after*."""
    for tenant, router in after.routers.items():
        if (old := before.routers.get(tenant)) is None or old is router:
            continue
        for name, service in router.services.items():
            was = old.services.get(name)
            if was is not None and was is not service and _client_assignment(was) != _client_assignment(service):
                yield tenant, service.name


def _client_assignment(service: CompiledService) -> object:
    """What tells which clients get which version, rules aside."""
    return (
        service.split,
        service.whitelist_identities,
        service.whitelist_networks,
        service.cohort_key,
        service.client_key,
    )
