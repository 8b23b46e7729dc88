"""SnapshotReloader: from files to the served Snapshot, built beside the current one and swapped in one assignment.

::

    FileReloader.read → admit_zones → check_reading → compile_snapshot → history.add → state.apply_snapshot
       child process    versions       zones against    unchanged parts    synced        one assignment
                                       each other       are shared         to disk

The rules of a policy revision from Consul's KV are compiled with those of the files. An error at any step leaves what
is served as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from graydns.config.settings import Config
from graydns.control.admission import (
    AdmittedReading,
    admit_zones,
    check_prunable,
    describe_pin,
    exceeds_pin,
    exclude_faulty,
    highest_versions,
    resolve_effective_config,
)
from graydns.control.history import SnapshotHistory, SnapshotRecord, select_needed_blobs
from graydns.control.live_changes import RollbackPin
from graydns.control.policy.acceptance import PolicyRevision
from graydns.control.policy.overlay import overlay_rules, overlay_shares
from graydns.control.reading_diff import diff_readings, find_unchanged_serials, has_changed
from graydns.control.state import ControlState, FileStatus
from graydns.model.errors import ConfigError, ConfigIssue, ControlError, SourceId
from graydns.model.name import from_text, to_text
from graydns.runtime.slices import freeze_periodically, run_in_slices
from graydns.snapshot.compiler import SnapshotInputs, compile_snapshot
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.file_reloader import FileReloader
from graydns.sources.reading import Reading
from graydns.sources.reading_checks import check_reading
from graydns.sources.snapshot_loader import sort_issues

_log = Logger()


class ReloadRefusedError(ControlError):
    """A reload was refused and has changed nothing. *errors*: every reason."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


class RollbackPinnedError(ReloadRefusedError):
    """A rollback is in force, and no file has a version that ends it."""


@define(eq=False)
class SnapshotReloader:
    """Puts files, old snapshots and policy revisions into service, one at a time; live changes go on meanwhile."""

    state: ControlState
    file_reloader: FileReloader = field(repr=False)
    history: SnapshotHistory = field(repr=False)
    _subscribers: list[Callable[[], None]] = field(init=False, factory=list, repr=False)
    _last: Reading = field(init=False, repr=False)
    _fingerprints: dict[Path, Any] = field(init=False, repr=False)
    _lock: DeferredLock = field(init=False, factory=DeferredLock, repr=False)

    def __attrs_post_init__(self) -> None:
        self.remember_reading(self.state.served_reading)

    def subscribe(self, on_commit: Callable[[], None]) -> None:
        """Call *on_commit* whenever a Snapshot of other files has been put into service."""
        self._subscribers.append(on_commit)

    def remember_reading(self, read: Reading) -> None:
        """Compare files with *read* from now on, whether it is served or not."""
        self._last, self._fingerprints = read, dict(read.fingerprints)

    async def is_stale(self) -> bool:
        """Whether a file, or another source, has changed since they were last read."""
        if self.file_reloader.sources.has_changed:
            return True
        fingerprints = await self.file_reloader.fingerprint(self.state.served_reading, self._last)
        return any(self._fingerprints.get(path) != each for path, each in fingerprints.items())

    async def reload(
        self, trigger: str, actor: str, *, force: bool = False, prune: str | None = None
    ) -> dict[str, Any]:
        """Load the files. *force*: whatever their versions; *prune*: stop serving this zone, whose file is gone.

        Raises ReloadRefusedError.
        """
        await self._lock.acquire()
        try:
            return await self._reload_or_refuse(trigger, actor, force, prune)
        finally:
            self._lock.release()

    async def rollback(self, number: int, actor: str) -> dict[str, Any]:
        """Serve what snapshot *number* was made from, until a zone's version is above all that it has had.

        Raises ControlError, and then nothing has changed.
        """
        await self._lock.acquire()
        try:
            return await self._rollback(number, actor)
        finally:
            self._lock.release()

    async def apply_revision(self, revision: PolicyRevision, store: Callable[[], Awaitable[None]]) -> None:
        """Serve *revision* over the files, once *store* has stored it.

        Raises ConfigError if it does not fit the files, and what *store* raises; then nothing has changed.
        """
        await self._lock.acquire()
        try:
            steps = self.compile_revision(revision)
            snapshot = await run_in_slices(self.file_reloader.reactor, freeze_periodically(steps))
            await store()
            await self.state.lock.acquire()
            try:
                self.state.use_revision(revision)
                self.state.apply_snapshot(snapshot, self.state.live)
            finally:
                self.state.lock.release()
        finally:
            self._lock.release()

    def compile_revision(self, revision: PolicyRevision) -> Generator[None, None, Snapshot]:
        """The Snapshot of the files with the rules of *revision*, in steps. Raises ConfigError, also for its shares."""
        state = self.state
        inputs = self._snapshot_inputs(state.served_reading, state.file_snapshot.config, revision)
        snapshot = yield from compile_snapshot(state.file_snapshot.number, inputs, state.file_snapshot)
        if faults := overlay_shares(snapshot, revision).faults:
            raise ConfigError(faults)
        return snapshot

    def _snapshot_inputs(self, reading: Reading, config: Config, revision: PolicyRevision | None) -> SnapshotInputs:
        inputs = reading.to_snapshot_inputs(config)
        return inputs if revision is None else overlay_rules(inputs, revision)

    async def _reload_or_refuse(self, trigger: str, actor: str, force: bool, prune: str | None) -> dict[str, Any]:
        try:
            outcome = await self._reload(trigger, actor, force, None if prune is None else _parse_zone_name(prune))
        except RollbackPinnedError as error:
            if trigger == "file":  # as the operator wanted it; status shows the rollback
                raise
            raise self._record_refusal(trigger, actor, error.errors) from None
        except ConfigError as error:
            raise self._record_refusal(trigger, actor, map(str, error.issues)) from None
        except ReloadRefusedError as error:
            raise self._record_refusal(trigger, actor, error.errors) from None
        except OSError as error:
            reason = f"the reload cannot be stored on the disk: {error}; what is served stays"
            raise self._record_refusal(trigger, actor, [reason]) from None
        self.state.record_reload(trigger, actor)
        return outcome

    async def _rollback(self, number: int, actor: str) -> dict[str, Any]:
        state, trigger = self.state, f"rollback to {number}"
        if all(record.number != number for record in self.history.records):
            raise ControlError(
                f"there is no snapshot {number}; `graydnsctl history list` shows the snapshots there are"
            )
        try:
            job = await self.file_reloader.in_thread(
                lambda: self.history.read_job(number, state.served_reading.config.file)
            )
            read = await self.file_reloader.read_files(job, state.served_reading)
            read = evolve(read, geo=state.served_reading.geo, resolv_conf=state.served_reading.resolv_conf)
            admitted, snapshot, restart_keys = await self._compile_admitted(
                AdmittedReading(read, faults=read.issues), strict=True
            )
            served = evolve(admitted.reading, fingerprints={}, blobs={})
            before = state.base_snapshot.number
            pin = RollbackPin(snapshot.number, highest_versions(state.served_reading, state.live.pin))
            files = FileStatus(restart_keys=restart_keys, warnings=state.files.warnings)
            outcome = await self._commit(trigger, actor, served, files, snapshot, pin)
        except (ConfigError, LookupError, ValueError) as error:
            raise ControlError(f"snapshot {number} can no longer be restored: {error}") from None
        except OSError as error:
            raise ControlError(f"the rollback cannot be stored on the disk: {error}; what is served stays") from None
        state.record_reload(trigger, actor)
        return {"before": {"snapshot": before}, "after": {"snapshot": snapshot.number}, **outcome}

    async def _reload(self, trigger: str, actor: str, force: bool, prune: bytes | None) -> dict[str, Any]:
        state = self.state
        pin = state.live.pin
        known = state.served_reading if pin is None else evolve(state.served_reading, fingerprints={})
        read = await self.file_reloader.read(known, self._last)
        self.remember_reading(read)
        if pin is not None and not force and not exceeds_pin(read, pin):
            raise RollbackPinnedError([describe_pin(pin)])
        admitted = admit_zones(state.served_reading, read, force=force, prune=prune)
        if prune is not None and (reason := check_prunable(prune, admitted, state.served_reading)):
            raise ReloadRefusedError([reason])
        admitted, snapshot, restart_keys = await self._compile_admitted(admitted)
        served = evolve(
            admitted.reading,
            blobs={**state.served_reading.blobs, **admitted.reading.blobs},
            issues={},
            missing_data_paths=(),
        )
        before, warnings = state.base_snapshot.number, tuple(find_unchanged_serials(state.served_reading, served))
        files = FileStatus(admitted.vanished, admitted.faults, restart_keys, warnings)
        if pin is not None or has_changed(state.served_reading, served):
            outcome = await self._commit(trigger, actor, served, files, snapshot, None)
        else:
            files = evolve(files, warnings=state.files.warnings)
            state.adopt_reading(evolve(served, blobs=select_needed_blobs(served)), files)
            outcome = {"changed": False, "changes": {}}
        return {
            "before": {"snapshot": before},
            "after": {"snapshot": state.base_snapshot.number},
            **outcome,
            "kept": sorted(map(str, files.faults)),
            "vanished": sorted(map(to_text, files.vanished)),
            "restart": list(files.restart_keys),
            "warnings": list(files.warnings),
        }

    async def _compile_admitted(
        self, admitted: AdmittedReading, *, strict: bool = False
    ) -> tuple[AdmittedReading, Snapshot, tuple[str, ...]]:
        """The Snapshot of *admitted*, or of what is left of it without faulty zones, and the keys that need a restart.

        *strict*: any fault is an error, whatever ``fail_fast_on_schema_error`` says. Raises ConfigError.
        """
        state, number = self.state, self.history.next_number()
        config = admitted.reading.config
        # A fault of the main file cannot be left out, as that of a zone can.
        strict = strict or config.reload.fail_fast_on_schema_error or SourceId(str(config.file)) in admitted.faults
        faults: Mapping[SourceId, Iterable[ConfigIssue]] = {}
        while True:
            reading = admitted.reading
            faults = await run_in_slices(self.file_reloader.reactor, check_reading(reading))
            if not faults and not (strict and admitted.has_schema_faults):
                config, restart_keys = resolve_effective_config(state.startup_config, reading.config)
                steps = compile_snapshot(
                    number, self._snapshot_inputs(reading, config, state.revision), state.file_snapshot
                )
                try:
                    snapshot = await run_in_slices(self.file_reloader.reactor, freeze_periodically(steps))
                    return admitted, snapshot, restart_keys
                except ConfigError as error:
                    faults = _group_by_source(error.issues)
            admitted = await self._exclude_faulty(admitted, faults, strict)

    async def _exclude_faulty(
        self, admitted: AdmittedReading, faults: Mapping[SourceId, Iterable[ConfigIssue]], strict: bool
    ) -> AdmittedReading:
        """*admitted* without the zones that have *faults*. Raises ConfigError if they cannot be left out: because of
        *strict*, or because a fault concerns the main file or a zone that is served."""
        zones, served = admitted.reading.zones, set(map(id, self.state.served_reading.zones.values()))
        issues = [issue for each in faults.values() for issue in each]
        located = await self.file_reloader.locate_issues(issues, admitted.reading.documents())
        is_general = any(source not in zones or id(zones[source]) in served for source in faults)
        if strict or is_general:
            raise ConfigError(
                sort_issues([*located.issues, *(issue for each in admitted.faults.values() for issue in each)])
            )
        by_source = {source: tuple(each) for source, each in _group_by_source(located.issues).items()}
        return exclude_faulty(admitted, self.state.served_reading, by_source)

    async def _commit(
        self, trigger: str, actor: str, served: Reading, files: FileStatus, snapshot: Snapshot, pin: RollbackPin | None
    ) -> dict[str, Any]:
        """Store what a rollback or a restart needs, then serve *snapshot*. Raises OSError; then nothing has changed."""
        state = self.state
        changes = await run_in_slices(self.file_reloader.reactor, diff_readings(state.served_reading, served))
        record = SnapshotRecord(snapshot.number, state.wall(), trigger, actor, changes)
        await self.file_reloader.in_thread(lambda: self.history.add(record, served))
        await state.lock.acquire()
        try:
            live = evolve(state.live, pin=pin)
            await self.file_reloader.in_thread(lambda: state.store.write(live, snapshot))
            state.adopt_reading(evolve(served, blobs={}), files)
            state.apply_snapshot(snapshot, live)
        finally:
            state.lock.release()
        _log.info("snapshot {number} is served ({trigger})", number=snapshot.number, trigger=trigger)
        for issue in state.policy_issues:
            _log.warn("part of the policy in Consul's KV does not fit and is left out: {issue}", issue=str(issue))
        for on_commit in self._subscribers:
            on_commit()
        return {"changed": True, "changes": changes}

    def _record_refusal(self, trigger: str, actor: str, errors: Iterable[str]) -> ReloadRefusedError:
        reasons = tuple(errors)
        self.state.record_reload(trigger, actor, reasons)
        _log.error("reload refused ({trigger}): {errors}", trigger=trigger, errors="\n".join(reasons))
        return ReloadRefusedError(reasons)


def _group_by_source(issues: Iterable[ConfigIssue]) -> dict[SourceId, list[ConfigIssue]]:
    by_source: dict[SourceId, list[ConfigIssue]] = defaultdict(list)
    for issue in issues:
        by_source[SourceId(issue.file)].append(issue)
    return by_source


def _parse_zone_name(text: str) -> bytes:
    try:
        return from_text(text)
    except ValueError as error:
        raise ReloadRefusedError([str(error)]) from None
