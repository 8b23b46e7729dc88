"""ControlState: what is served, and the layers that it is made of.

::

    file_snapshot   files, with the rules of the policy revision
      + shares of the revision   = base_snapshot
      + live changes and kill switches (KV)   = server.snapshot

Other modules read its fields; they change it by its methods only, and every change ends in one swap of the Snapshot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
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
from graydns.model.errors import ConfigIssue, SourceId
from graydns.model.name import to_text
from graydns.server import DnsServer
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.reading import Reading


class ServedCounts(Protocol):
    """What a version served lately. *clients*: an estimate of the distinct clients, None where they are not counted."""

    @property
    def queries(self) -> int:
        """The number of queries."""

    @property
    def clients(self) -> int | None:
        """The number of clients, estimated."""


class ShareCounters(Protocol):
    """Counts what versions serve."""

    def version_traffic(self, tenant: str, service: str) -> Mapping[str, ServedCounts]:
        """What each version of *service* served lately."""

    def reset_services(self, services: Set[tuple[str, str]]) -> None:
        """Start counting these (tenant, service) again, as other clients get other versions now."""


@frozen
class FileStatus:
    """How the last reload went. *vanished*: zones that are served although they are gone at their source. *faults*:
    what was not loaded, by source. *restart_keys*: keys of graydns.yaml whose new value needs a restart.
    *warnings*: of zone data.
    """

    vanished: frozenset[bytes] = frozenset()
    faults: Mapping[SourceId, tuple[ConfigIssue, ...]] = field(factory=dict)
    restart_keys: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@define(eq=False)
class ControlState:
    """*served_reading*: what was read of the files that are served. *wall*: Unix seconds. *shares*: counts what each
    version serves, None = nothing does. *startup_config*: the configuration that the process was started with.

    *revision*: the policy revision of Consul's KV that is in force. *aborts*: services that a kill switch in KV aborts,
    by name in wire form. *switched_off*: tenants that one switches off, or ``ALL_TENANTS``. *policy_issues*: shares of
    the revision that do not fit the files, and are left out.

    *live*: what operators changed; *store* has it on the disk. *unfit*: why a live change does not fit, by service.
    *since*, *started*: Unix seconds of the last swap and of the start. *last_reload*, *reload_counts*: the last attempt
    at a reload, and attempts by outcome, as ``status`` shows them. *lock*: held during a live change, and while a
    Snapshot is stored and swapped.
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

    def apply_snapshot(self, file_snapshot: Snapshot, live: LiveChanges) -> None:
        """Serve *file_snapshot* with the shares of the revision and *live*, from the next query on."""
        base = file_snapshot
        issues: tuple[ConfigIssue, ...] = ()
        if self.revision is not None:
            overlaid = overlay_shares(file_snapshot, self.revision)
            base, issues = overlaid.snapshot, overlaid.faults
        self.file_snapshot, self.policy_issues = file_snapshot, issues
        self.serve(base, live)

    def serve(self, base: Snapshot, live: LiveChanges) -> None:
        """Serve *base* with *live* from the next query on. Kill switches of KV hold whatever *live* says."""
        applied, before = overlay_live_changes(base, self._with_kill_switches(base, live)), self.server.snapshot
        self.base_snapshot, self.live, self.unfit = base, live, applied.unfit
        self.server.swap(applied.snapshot)
        self.server.set_negative_trust_anchors(frozenset(live.negative_trust_anchors))
        if self.shares is not None and (reassigned := set(_find_reassigned_services(before, applied.snapshot))):
            self.shares.reset_services(reassigned)
        self.since = self.wall()

    @property
    def gray_off(self) -> list[str]:
        """Tenants that are switched off, on this node or on all, or ``ALL_TENANTS``."""
        return sorted({*self.live.gray_off, *self.switched_off})

    def is_switched_off(self, tenant: str, live: LiveChanges | None = None) -> bool:
        """Whether all services of *tenant* are restricted to their default version. *live*: None = what is in force."""
        return is_switched_off(self._with_switched_off(live or self.live), tenant)

    def _with_switched_off(self, live: LiveChanges) -> LiveChanges:
        return evolve(live, gray_off={**live.gray_off, **self.switched_off})

    def _with_kill_switches(self, base: Snapshot, live: LiveChanges) -> LiveChanges:
        live = self._with_switched_off(live)
        for name, record in self.aborts.items():
            if (found := find_in_snapshot(base, name)) is not None:
                live = live.with_service(to_text(name), ServiceOverride(found[0], abort=record))
        return live

    def record_reload(self, trigger: str, actor: str, errors: tuple[str, ...] = ()) -> None:
        """Note how an attempt at a reload ended. *errors*: why it was refused, none = it was accepted."""
        self.reload_counts["refused" if errors else "accepted"] += 1
        self.last_reload = {
            "ok": not errors,
            "at": self.wall(),
            "trigger": trigger,
            "actor": actor,
            "errors": list(errors),
        }


def _find_reassigned_services(before: Snapshot, after: Snapshot) -> Iterator[tuple[str, str]]:
    """Tenant and name of the services whose versions go to other clients *after* than *before*."""
    for tenant, router in after.routers.items():
        if (old := before.routers.get(tenant)) is None or old is router:
            continue
        for name, service in router.services.items():
            earlier = old.services.get(name)
            if earlier is None or earlier is service:
                continue
            if _client_assignment(earlier) != _client_assignment(service):
                yield tenant, service.name


def _client_assignment(service: CompiledService) -> object:
    """What decides which clients get which version, apart from rules."""
    return (
        service.split,
        service.whitelist_identities,
        service.whitelist_networks,
        service.cohort_key,
        service.client_key,
    )
