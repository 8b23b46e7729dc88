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

from graydns.config.main import Config
from graydns.control.accept import Merged, merge, prune_misfit, without
from graydns.control.changes import changes
from graydns.control.history import History, Record, needed
from graydns.control.layering import with_routes, with_shares
from graydns.control.live import Pin
from graydns.control.restart import in_effect
from graydns.control.state import State
from graydns.model.errors import ConfigError, ControlError, Fault
from graydns.model.name import from_text, to_text
from graydns.snapshot.compile import Inputs, compile_steps
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.again import Again
from graydns.sources.checks import check
from graydns.sources.files import in_order
from graydns.sources.policy.acceptance import Revision
from graydns.sources.reading import Reading
from graydns.sources.slices import in_slices
from graydns.sources.zonefile import serial_warning

#: Steps of a compilation after which the collector is relieved of what they made: some thousand objects.
_REST = 500

T = TypeVar("T")

_log = Logger()


class Refused(ControlError):
    """A reload that changed nothing. *errors*: each of the reasons."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


class Pinned(Refused):
    """A rollback is in force."""


@define(eq=False)
class Reloader:
    """Takes up files and old snapshots for *state*; one at a time, while live changes go on beside it."""

    state: State
    again: Again = field(repr=False)
    history: History = field(repr=False)
    #: Called when other files are served than before.
    committed: Callable[[], None] = field(init=False, default=lambda: None, repr=False)
    _last: Reading = field(init=False, repr=False)
    _seen: dict[Path, Any] = field(init=False, repr=False)
    _lock: DeferredLock = field(init=False, factory=DeferredLock, repr=False)

    def __attrs_post_init__(self) -> None:
        self.remember(self.state.served)

    def remember(self, read: Reading) -> None:
        """*read* is what files were when they were last read, whether it is served or not."""
        self._last, self._seen = read, dict(read.look)

    async def is_stale(self) -> bool:
        """Whether a file has changed since files were last read."""
        now = await self.again.glance(self.state.served, self._last)
        return any(self._seen.get(path) != stamp for path, stamp in now.items())

    async def reload(
        self, trigger: str, actor: str, *, force: bool = False, prune: str | None = None
    ) -> dict[str, Any]:
        """Take up the files as they are. Raises Refused."""
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

    async def lay(self, revision: Revision, keep: Callable[[], Awaitable[None]]) -> None:
        """Serve *revision* over the files, once *keep* has it on the disk.

        Raises ConfigError if it does not fit them, and what *keep* raises; then nothing has changed.
        """
        await self._lock.acquire()
        try:
            steps = self.laid(revision)
            snapshot = await in_slices(self.again.reactor, _resting(steps))
            await keep()
            await self.state.lock.acquire()
            try:
                self.state.revision = revision
                self.state.lay(snapshot, self.state.live)
            finally:
                self.state.lock.release()
        finally:
            self._lock.release()

    def laid(self, revision: Revision) -> Generator[None, None, Snapshot]:
        """What the files and the rules of *revision* make, in steps. Raises ConfigError, also for its shares."""
        state = self.state
        inputs = self._inputs(state.served, state.plain.config, revision)
        snapshot = yield from compile_steps(state.plain.number, inputs, state.plain)
        if faults := with_shares(snapshot, revision).faults:
            raise ConfigError(faults)
        return snapshot

    def _inputs(self, reading: Reading, config: Config, revision: Revision | None) -> Inputs:
        inputs = reading.inputs(config)
        return inputs if revision is None else with_routes(inputs, revision)

    async def _reload_or_refuse(self, trigger: str, actor: str, force: bool, prune: str | None) -> dict[str, Any]:
        try:
            outcome = await self._reload(trigger, actor, force, None if prune is None else _zone(prune))
        except Pinned as error:
            if trigger == "file":  # it is as the operator wanted it, and status says so
                raise
            raise self._refused(trigger, actor, error.errors) from None
        except ConfigError as error:
            raise self._refused(trigger, actor, (str(fault) for fault in error.faults)) from None
        except Refused as error:
            raise self._refused(trigger, actor, error.errors) from None
        except OSError as error:
            raise self._refused(trigger, actor, [f"nothing is changed that cannot be kept: {error}"]) from None
        self.state.note(trigger, actor)
        return outcome

    async def _rollback(self, number: int, actor: str) -> dict[str, Any]:
        state, trigger = self.state, f"rollback to {number}"
        if all(record.number != number for record in self.history.records):
            raise ControlError(f"there is no snapshot {number}; `history list` shows those that there are")
        try:
            job = await self.again.in_thread(lambda: self.history.job(number, state.served.config.file))
            read = await self.again.examine(job, state.served)
            read = evolve(read, geo=state.served.geo, resolv_conf=state.served.resolv_conf)
            merged, snapshot, waiting = await self._compiled(Merged(read, faults=read.faults), strict=True)
            served = evolve(merged.reading, look={}, blobs={})
            pin, before = Pin(snapshot.number, _highest(state)), state.base.number
            found = await self._commit(trigger, actor, served, snapshot, pin)
        except (ConfigError, LookupError, ValueError) as error:
            raise ControlError(f"snapshot {number} cannot be had any more: {error}") from None
        except OSError as error:
            raise ControlError(f"nothing is changed that cannot be kept: {error}") from None
        state.vanished, state.faults, state.waiting = frozenset(), {}, waiting
        state.note(trigger, actor)
        return {"before": {"snapshot": before}, "after": {"snapshot": snapshot.number}, **found}

    async def _reload(self, trigger: str, actor: str, force: bool, prune: bytes | None) -> dict[str, Any]:
        state = self.state
        pin = state.live.pin
        known = state.served if pin is None else evolve(state.served, look={})
        read = await self.again.read(known, self._last)
        self.remember(read)
        if pin is not None and not force and not _above(read, pin):
            raise Pinned([_pinned(pin)])
        merged = merge(state.served, read, force=force, prune=prune)
        if prune is not None and (misfit := prune_misfit(prune, merged, state.served)):
            raise Refused([misfit])
        merged, snapshot, waiting = await self._compiled(merged)
        served = evolve(merged.reading, blobs={**state.served.blobs, **merged.reading.blobs}, faults={}, wanted=())
        before, warnings = state.base.number, tuple(_serials(state.served, served))
        if pin is not None or differs(state.served, served):
            outcome = await self._commit(trigger, actor, served, snapshot, None)
        else:
            state.served = evolve(served, blobs=needed(served))
            outcome, warnings = {"changed": False, "changes": {}}, state.notes
        state.notes = warnings
        state.vanished, state.faults, state.waiting = merged.vanished, merged.faults, waiting
        return {
            "before": {"snapshot": before},
            "after": {"snapshot": state.base.number},
            **outcome,
            "kept": sorted(map(str, state.faults)),
            "vanished": sorted(map(to_text, state.vanished)),
            "restart": list(waiting),
            "warnings": list(warnings),
        }

    async def _compiled(self, merged: Merged, *, strict: bool = False) -> tuple[Merged, Snapshot, tuple[str, ...]]:
        """A Snapshot of *merged*, or of what is left of it without the zones at fault. Raises ConfigError.

        *strict*: any fault is an error, whatever the configuration says.
        """
        state, number = self.state, self.history.next_number()
        config = merged.reading.config
        # The main file is no zone, which could be left as it is beside others.
        strict = strict or config.reload.fail_fast_on_schema_error or config.file in merged.faults
        faults: Mapping[Path, Iterable[Fault]] = {}
        while True:
            reading = merged.reading
            faults = await in_slices(self.again.reactor, check(reading))
            if not faults and not (strict and merged.faults):
                config, waiting = in_effect(state.began, reading.config)
                steps = compile_steps(number, self._inputs(reading, config, state.revision), state.plain)
                try:
                    return merged, await in_slices(self.again.reactor, _resting(steps)), waiting
                except ConfigError as error:
                    faults = _by_file(error.faults)
            merged = await self._without(merged, faults, strict)

    async def _without(self, merged: Merged, faults: Mapping[Path, Iterable[Fault]], strict: bool) -> Merged:
        """*merged* without what *faults* are about. Raises ConfigError if it is not for the zones to be left out."""
        zones, served = merged.reading.zones, set(map(id, self.state.served.zones.values()))
        found = [fault for each in faults.values() for fault in each]
        told = await self.again.with_lines(found, merged.reading.documents())
        ours = any(path not in zones or id(zones[path]) in served for path in faults)
        if strict or ours:
            raise ConfigError(in_order([*told.faults, *(fault for each in merged.faults.values() for fault in each)]))
        located = {path: tuple(each) for path, each in _by_file(told.faults).items()}
        return without(merged, self.state.served, located)

    async def _commit(
        self, trigger: str, actor: str, served: Reading, snapshot: Snapshot, pin: Pin | None
    ) -> dict[str, Any]:
        """Keep what is needed to come back to this, then serve it. Raises OSError, and then nothing has changed."""
        state = self.state
        found = await in_slices(self.again.reactor, changes(state.served, served))
        record = Record(snapshot.number, state.wall(), trigger, actor, found)
        await self.again.in_thread(lambda: self.history.add(record, served))
        await state.lock.acquire()
        try:
            live = evolve(state.live, pin=pin)
            await self.again.in_thread(lambda: state.keeper.write(live, snapshot))
            state.served = evolve(served, blobs={})
            state.lay(snapshot, live)
        finally:
            state.lock.release()
        _log.info("snapshot {number} is served ({trigger})", number=snapshot.number, trigger=trigger)
        for fault in state.misfits:
            _log.warn("of the policy in KV is left out: {fault}", fault=str(fault))
        self.committed()
        return {"changed": True, "changes": found}

    def _refused(self, trigger: str, actor: str, errors: Iterable[str]) -> Refused:
        told = tuple(errors)
        self.state.note(trigger, actor, told)
        _log.error("reload refused ({trigger}): {errors}", trigger=trigger, errors="\n".join(told))
        return Refused(told)


def differs(before: Reading, after: Reading) -> bool:
    """Whether *after* says anything else than *before*."""
    return _said(before) != _said(after) or before.geo is not after.geo or before.resolv_conf != after.resolv_conf


def _said(reading: Reading) -> object:
    zones = {
        entry.file.zone: (entry.content, entry.file.config_version, entry.loaded.digest)
        for entry in reading.zones.values()
    }
    return reading.main.digest, zones


def _serials(before: Reading, after: Reading) -> Iterator[str]:
    """Warnings for zones whose data changed and whose serial did not."""
    old = {entry.file.zone: entry for entry in before.zones.values()}
    for entry in after.zones.values():
        was = old.get(entry.file.zone)
        if was is not None and (warning := serial_warning(was.loaded, entry.loaded)):
            yield warning


def _resting(steps: Generator[None, None, T]) -> Generator[None, None, T]:
    """*steps*, with what they made so far taken from the collector's sight, as it is made to stay.

    A collection of the middle generation would walk over tens of thousands of objects, or all half million of them, and
    no query would be answered; so nothing gets to be that old.
    """
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            made: T = done.value
            return made
        count += 1
        if count % _REST == 0:
            gc.collect(0)  # or what queries have left meanwhile would stay, too
            gc.freeze()
        yield


def _by_file(faults: Iterable[Fault]) -> dict[Path, list[Fault]]:
    found: dict[Path, list[Fault]] = defaultdict(list)
    for fault in faults:
        found[Path(fault.file)].append(fault)
    return found


def _above(read: Reading, pin: Pin) -> bool:
    """Whether a zone has a version above all that it had when *pin* was set."""
    zones = (entry.file for entry in read.zones.values())
    return any(zone.config_version > pin.highest[name] for zone in zones if (name := to_text(zone.zone)) in pin.highest)


def _highest(state: State) -> dict[str, tuple[int, ...]]:
    """The highest version that every zone is known to have had."""
    highest = {} if state.live.pin is None else dict(state.live.pin.highest)
    for entry in state.served.zones.values():
        name = to_text(entry.file.zone)
        highest[name] = max(entry.file.config_version, highest.get(name, ()))
    return highest


def _pinned(pin: Pin) -> str:
    return (
        f"snapshot {pin.number} is a rollback, and no zone's config_version is above those there were before; "
        "raise one, or use `graydnsctl reload --force`"
    )


def _zone(text: str) -> bytes:
    try:
        return from_text(text)
    except ValueError as error:
        raise Refused([str(error)]) from None
