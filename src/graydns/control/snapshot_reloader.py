"""Reloader: from files to the served Snapshot, built beside it and swapped in one assignment.

::

    Again.read → accept.merge → checks.check → compile_steps → History.add → State.lay
       child        versions       zones beside    unchanged      fsync         one assignment
                                   each other      are shared

What comes from Consul's KV is laid over the files each time: its rules are compiled with theirs.
Whatever is wrong on the way leaves what is served untouched.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, evolve, field
from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from graydns.config.settings import Config
from graydns.control.admission import (
    AdmittedReading,
    admit_zones,
    check_prunable,
    exclude_faulty,
    resolve_effective_config,
)
from graydns.control.history import SnapshotHistory, SnapshotRecord, select_needed_blobs
from graydns.control.live_changes import RollbackPin
from graydns.control.policy.acceptance import PolicyRevision
from graydns.control.policy.overlay import overlay_rules, overlay_shares
from graydns.control.reading_diff import diff_readings
from graydns.control.state import ControlState, FileStatus
from graydns.model.errors import ConfigError, ConfigIssue, ControlError
from graydns.model.name import from_text, to_text
from graydns.runtime.slices import run_in_slices
from graydns.snapshot.compiler import SnapshotInputs, compile_snapshot
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.file_reloader import FileReloader
from graydns.sources.reading import Reading
from graydns.sources.reading_checks import check_reading
from graydns.sources.snapshot_loader import sort_issues
from graydns.sources.zone_file import check_serial

#: Steps of a compilation after which the collector is relieved of what they made: some thousand objects.
_FREEZE_INTERVAL_STEPS = 500

ResultT = TypeVar("ResultT")

_log = Logger()


class ReloadRefusedError(ControlError):
    """A reload that changed nothing. *errors*: each of the reasons."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


class RollbackPinnedError(ReloadRefusedError):
    """A rollback is in force."""


@define(eq=False)
class SnapshotReloader:
    """Takes up files and old snapshots for *state*; one at a time, while live changes go on beside it."""

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
        """*read* is what files were when they were last read, whether it is served or not."""
        self._last, self._fingerprints = read, dict(read.fingerprints)

    async def is_stale(self) -> bool:
        """Whether a file has changed since files were last read."""
        now = await self.file_reloader.fingerprint(self.state.served_reading, self._last)
        return any(self._fingerprints.get(path) != stamp for path, stamp in now.items())

    async def reload(
        self, trigger: str, actor: str, *, force: bool = False, prune: str | None = None
    ) -> dict[str, Any]:
        """Take up the files as they are. Raises ReloadRefusedError."""
        await self._lock.acquire()
        try:
            return await self._reload_or_refuse(trigger, actor, force, prune)
        finally:
            self._lock.release()

    async def rollback(self, number: int, actor: str) -> dict[str, Any]:
        """Serve again what snapshot *number* was made from, until a file's version is above all that there were."""
        await self._lock.acquire()
        try:
            return await self._rollback(number, actor)
        finally:
            self._lock.release()

    async def apply_revision(self, revision: PolicyRevision, keep: Callable[[], Awaitable[None]]) -> None:
        """Serve *revision* over the files, once *keep* has it on the disk.

        Raises ConfigError if it does not fit them, and what *keep* raises; then nothing has changed.
        """
        await self._lock.acquire()
        try:
            steps = self.compile_revision(revision)
            snapshot = await run_in_slices(self.file_reloader.reactor, _freeze_periodically(steps))
            await keep()
            await self.state.lock.acquire()
            try:
                self.state.use_revision(revision)
                self.state.apply_snapshot(snapshot, self.state.live)
            finally:
                self.state.lock.release()
        finally:
            self._lock.release()

    def compile_revision(self, revision: PolicyRevision) -> Generator[None, None, Snapshot]:
        """What the files and the rules of *revision* make, in steps. Raises ConfigError, also for its shares."""
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
            if trigger == "file":  # it is as the operator wanted it, and status says so
                raise
            raise self._record_refusal(trigger, actor, error.errors) from None
        except ConfigError as error:
            raise self._record_refusal(trigger, actor, (str(fault) for fault in error.issues)) from None
        except ReloadRefusedError as error:
            raise self._record_refusal(trigger, actor, error.errors) from None
        except OSError as error:
            raise self._record_refusal(trigger, actor, [f"nothing is changed that cannot be kept: {error}"]) from None
        self.state.record_reload(trigger, actor)
        return outcome

    async def _rollback(self, number: int, actor: str) -> dict[str, Any]:
        state, trigger = self.state, f"rollback to {number}"
        if all(record.number != number for record in self.history.records):
            raise ControlError(f"there is no snapshot {number}; `history list` shows those that there are")
        try:
            job = await self.file_reloader.in_thread(
                lambda: self.history.read_job(number, state.served_reading.config.file)
            )
            read = await self.file_reloader.read_files(job, state.served_reading)
            read = evolve(read, geo=state.served_reading.geo, resolv_conf=state.served_reading.resolv_conf)
            merged, snapshot, waiting = await self._compile_admitted(
                AdmittedReading(read, faults=read.issues), strict=True
            )
            served = evolve(merged.reading, fingerprints={}, blobs={})
            pin, before = RollbackPin(snapshot.number, _highest_versions(state)), state.base_snapshot.number
            files = FileStatus(restart_keys=waiting, warnings=state.files.warnings)
            found = await self._commit(trigger, actor, served, files, snapshot, pin)
        except (ConfigError, LookupError, ValueError) as error:
            raise ControlError(f"snapshot {number} cannot be had any more: {error}") from None
        except OSError as error:
            raise ControlError(f"nothing is changed that cannot be kept: {error}") from None
        state.record_reload(trigger, actor)
        return {"before": {"snapshot": before}, "after": {"snapshot": snapshot.number}, **found}

    async def _reload(self, trigger: str, actor: str, force: bool, prune: bytes | None) -> dict[str, Any]:
        state = self.state
        pin = state.live.pin
        known = state.served_reading if pin is None else evolve(state.served_reading, fingerprints={})
        read = await self.file_reloader.read(known, self._last)
        self.remember_reading(read)
        if pin is not None and not force and not _exceeds_pin(read, pin):
            raise RollbackPinnedError([_describe_pin(pin)])
        merged = admit_zones(state.served_reading, read, force=force, prune=prune)
        if prune is not None and (misfit := check_prunable(prune, merged, state.served_reading)):
            raise ReloadRefusedError([misfit])
        merged, snapshot, waiting = await self._compile_admitted(merged)
        served = evolve(
            merged.reading,
            blobs={**state.served_reading.blobs, **merged.reading.blobs},
            issues={},
            missing_data_paths=(),
        )
        before, warnings = state.base_snapshot.number, tuple(_serial_warnings(state.served_reading, served))
        files = FileStatus(merged.vanished, merged.faults, waiting, warnings)
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
        self, merged: AdmittedReading, *, strict: bool = False
    ) -> tuple[AdmittedReading, Snapshot, tuple[str, ...]]:
        """A Snapshot of *merged*, or of what is left of it without the zones at fault. Raises ConfigError.

        *strict*: any fault is an error, whatever the configuration says.
        """
        state, number = self.state, self.history.next_number()
        config = merged.reading.config
        # The main file is no zone, which could be left as it is beside others.
        strict = strict or config.reload.fail_fast_on_schema_error or config.file in merged.faults
        faults: Mapping[Path, Iterable[ConfigIssue]] = {}
        while True:
            reading = merged.reading
            faults = await run_in_slices(self.file_reloader.reactor, check_reading(reading))
            if not faults and not (strict and merged.faults):
                config, waiting = resolve_effective_config(state.startup_config, reading.config)
                steps = compile_snapshot(
                    number, self._snapshot_inputs(reading, config, state.revision), state.file_snapshot
                )
                try:
                    return merged, await run_in_slices(self.file_reloader.reactor, _freeze_periodically(steps)), waiting
                except ConfigError as error:
                    faults = _group_by_file(error.issues)
            merged = await self._exclude_faulty(merged, faults, strict)

    async def _exclude_faulty(
        self, merged: AdmittedReading, faults: Mapping[Path, Iterable[ConfigIssue]], strict: bool
    ) -> AdmittedReading:
        """*merged* without what *faults* are about. Raises ConfigError if it is not for the zones to be left out."""
        zones, served = merged.reading.zones, set(map(id, self.state.served_reading.zones.values()))
        found = [fault for each in faults.values() for fault in each]
        told = await self.file_reloader.locate_issues(found, merged.reading.documents())
        ours = any(path not in zones or id(zones[path]) in served for path in faults)
        if strict or ours:
            raise ConfigError(
                sort_issues([*told.issues, *(fault for each in merged.faults.values() for fault in each)])
            )
        located = {path: tuple(each) for path, each in _group_by_file(told.issues).items()}
        return exclude_faulty(merged, self.state.served_reading, located)

    async def _commit(
        self, trigger: str, actor: str, served: Reading, files: FileStatus, snapshot: Snapshot, pin: RollbackPin | None
    ) -> dict[str, Any]:
        """Keep what is needed to come back to this, then serve it. Raises OSError, and then nothing has changed."""
        state = self.state
        found = await run_in_slices(self.file_reloader.reactor, diff_readings(state.served_reading, served))
        record = SnapshotRecord(snapshot.number, state.wall(), trigger, actor, found)
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
        for fault in state.policy_issues:
            _log.warn("of the policy in KV is left out: {fault}", fault=str(fault))
        for on_commit in self._subscribers:
            on_commit()
        return {"changed": True, "changes": found}

    def _record_refusal(self, trigger: str, actor: str, errors: Iterable[str]) -> ReloadRefusedError:
        told = tuple(errors)
        self.state.record_reload(trigger, actor, told)
        _log.error("reload refused ({trigger}): {errors}", trigger=trigger, errors="\n".join(told))
        return ReloadRefusedError(told)


def has_changed(before: Reading, after: Reading) -> bool:
    """Whether *after* says anything else than *before*."""
    return (
        _content_identity(before) != _content_identity(after)
        or before.geo is not after.geo
        or before.resolv_conf != after.resolv_conf
    )


def _content_identity(reading: Reading) -> object:
    zones = {
        entry.config.zone: (entry.content_digest, entry.config.config_version, entry.loaded.digest)
        for entry in reading.zones.values()
    }
    return reading.main.digest, zones


def _serial_warnings(before: Reading, after: Reading) -> Iterator[str]:
    """Warnings for zones whose data changed and whose serial did not."""
    old = {entry.config.zone: entry for entry in before.zones.values()}
    for entry in after.zones.values():
        was = old.get(entry.config.zone)
        if was is not None and (warning := check_serial(was.loaded, entry.loaded)):
            yield warning


def _freeze_periodically(steps: Generator[None, None, ResultT]) -> Generator[None, None, ResultT]:
    """*steps*, with what they made so far taken from the collector's sight, as it is made to stay.

    A collection of the middle generation would walk over tens of thousands of objects, or all half million of them, and
    no query would be answered; so nothing gets to be that old.
    """
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            made: ResultT = done.value
            return made
        count += 1
        if count % _FREEZE_INTERVAL_STEPS == 0:
            gc.collect(0)  # or what queries have left meanwhile would stay, too
            gc.freeze()
        yield


def _group_by_file(faults: Iterable[ConfigIssue]) -> dict[Path, list[ConfigIssue]]:
    found: dict[Path, list[ConfigIssue]] = defaultdict(list)
    for fault in faults:
        found[Path(fault.file)].append(fault)
    return found


def _exceeds_pin(read: Reading, pin: RollbackPin) -> bool:
    """Whether a zone has a version above all that it had when *pin* was set."""
    zones = (entry.config for entry in read.zones.values())
    return any(zone.config_version > pin.highest[name] for zone in zones if (name := to_text(zone.zone)) in pin.highest)


def _highest_versions(state: ControlState) -> dict[str, tuple[int, ...]]:
    """The highest version that every zone is known to have had."""
    highest = {} if state.live.pin is None else dict(state.live.pin.highest)
    for entry in state.served_reading.zones.values():
        name = to_text(entry.config.zone)
        highest[name] = max(entry.config.config_version, highest.get(name, ()))
    return highest


def _describe_pin(pin: RollbackPin) -> str:
    return (
        f"snapshot {pin.number} is a rollback, and no zone's config_version is above those there were before; "
        "raise one, or use `graydnsctl reload --force`"
    )


def _parse_zone_name(text: str) -> bytes:
    try:
        return from_text(text)
    except ValueError as error:
        raise ReloadRefusedError([str(error)]) from None
