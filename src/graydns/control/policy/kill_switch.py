"""Halts: what Consul's KV sends to its default version on all nodes, which needs no signature.

::

    <prefix>abort/<service>     one service
    <prefix>off/<tenant>        all services of a tenant; off/* = of all tenants

A kill switch stays in force until it is released. A key that vanishes while all else vanishes too, because Consul lost
its data or the token its rights, ends nothing: it is *lost*, stays in force here, and is written back.

KillSwitchWatcher applies the kill switches in Consul's KV as soon as they are seen, logs them, and writes them back if
they are lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.control.core import ControlCore
from graydns.control.live_changes import ChangeRecord
from graydns.control.policy import publication
from graydns.control.policy.publication import KvRows
from graydns.control.policy.revisions import KeyValues, abort_folder, active_key, off_folder, read_aborts, read_offs
from graydns.control.state import ControlState
from graydns.model.errors import ControlError, printable
from graydns.model.name import to_text
from graydns.runtime.timing import sleep
from txconsul import ConsulClient


@frozen
class ConsulIndexes:
    """The state of Consul at the last reply: its index, and the CreateIndex of ``active``, which
    is another one once Consul's data are others; 0 = there is no such key.
    """

    index: int = 0
    created: int = 0

    def continues(self, before: ConsulIndexes) -> bool:
        """Whether it is the Consul that it was *before*, and no older, so that what is gone was taken out."""
        return self.index > before.index and before.created in (0, self.created)


@frozen
class KillSwitchEvent:
    """A service (*is_abort*) or a tenant was restricted to its default versions, or is not any more.

    *key_value*: what its key contains.
    """

    is_abort: bool
    name: str
    is_active: bool
    key_value: str

    @property
    def action(self) -> str:
        """As operators call it."""
        words = ("service abort", "service revert") if self.is_abort else ("gray off", "gray on")
        return words[0] if self.is_active else words[1]

    def to_plain(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was, and what is, for the audit log."""
        word = "aborted" if self.is_abort else "off"
        return {word: not self.is_active}, {word: self.is_active, "said": self.key_value}


@define(eq=False)
class KillSwitchState:
    """Applies the keys below *prefix* to *state*. *keys*: those in force. *missing*: those of them not in KV."""

    state: ControlState
    prefix: str
    keys: KeyValues = field(init=False, factory=dict, repr=False)
    missing: Set[str] = field(init=False, factory=frozenset)
    seen: ConsulIndexes = field(init=False, factory=ConsulIndexes)
    #: Keys that name nothing, and of which that was said.
    _warned_keys: Set[str] = field(init=False, factory=set, repr=False)

    _log = Logger()

    def restore(self, copy: KeyValues, seen: ConsulIndexes) -> None:
        """Have what was kept."""
        self.seen = seen
        self._set_keys(self._select_keys(copy))

    def apply_listing(self, listing: KeyValues, heard: int, seen: ConsulIndexes) -> list[KillSwitchEvent]:
        """Have those of *listing*, and those that were lost; returns what that changes. *heard*: the index before
        *seen*."""
        there = self._select_keys(listing)
        gone = self.keys.keys() - there.keys()
        whole = seen.continues(evolve(self.seen, index=heard))
        lost = frozenset(gone & self.missing if whole else gone)
        self.missing, self.seen = lost, seen
        return self._set_keys({**{key: self.keys[key] for key in lost}, **there})

    def release(self, keys: Iterable[str]) -> list[KillSwitchEvent]:
        """Release *keys*; returns what that changes."""
        gone = frozenset(keys)
        self.missing = self.missing - gone
        return self._set_keys({key: value for key, value in self.keys.items() if key not in gone})

    def find_abort_keys(self, name: bytes) -> frozenset[str]:
        """The keys that abort the service *name* (wire form)."""
        return frozenset(key for key, value in self.keys.items() if name in read_aborts({key: value}, self.prefix)[0])

    def _select_keys(self, listing: KeyValues) -> dict[str, bytes]:
        folders = (abort_folder(self.prefix), off_folder(self.prefix))
        return {key: value for key, value in listing.items() if key.startswith(folders)}

    def _set_keys(self, keys: KeyValues) -> list[KillSwitchEvent]:
        state, now = self.state, self.state.wall()
        services, strange = read_aborts(keys, self.prefix)
        tenants, others = read_offs(keys, self.prefix)
        unknown = {*strange, *others}
        for key in sorted(unknown - self._warned_keys):
            self._log.warn("{key} names no service, or no tenant", key=printable(key))
        self._warned_keys = unknown
        aborts = {name: state.aborts.get(name) or ChangeRecord(actor=text, at=now) for name, text in services.items()}
        off = {name: state.switched_off.get(name) or ChangeRecord(actor=text, at=now) for name, text in tenants.items()}
        before = {to_text(name): stay for name, stay in state.aborts.items()}
        shifts = [
            *_find_events(True, before, {to_text(name): stay for name, stay in aborts.items()}),
            *_find_events(False, state.switched_off, off),
        ]
        state.set_kill_switches(aborts, off)
        self.keys = keys
        return shifts


def _find_events(
    abort: bool, before: Mapping[str, ChangeRecord], after: Mapping[str, ChangeRecord]
) -> list[KillSwitchEvent]:
    both = {**before, **after}
    return [
        KillSwitchEvent(abort, name, name in after, both[name].actor) for name in sorted(before.keys() ^ after.keys())
    ]


#: So often, and so many seconds after one another, is it tried to write back what was lost.
_MAX_RESTORE_ATTEMPTS, _RESTORE_INTERVAL_SECONDS = 30, 1.0


@define(eq=False)
class KillSwitchWatcher:
    """Follows the keys below *prefix*. *unrecorded_events*: changes that are not in the audit log yet."""

    consul: ConsulClient = field(repr=False)
    control: ControlCore = field(repr=False)
    reactor: Any = field(repr=False)
    prefix: str
    unrecorded_events: list[KillSwitchEvent] = field(init=False, factory=list)
    _state: KillSwitchState = field(init=False)
    _listing: KeyValues | None = field(init=False, default=None, repr=False)
    _index: int = field(init=False, default=0)
    _previous_index: int = field(init=False, default=0)
    _restore_task: Deferred[None] | None = field(init=False, default=None, repr=False)

    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self._state = KillSwitchState(self.control.state, self.prefix)

    @property
    def keys(self) -> KeyValues:
        """Those in force."""
        return self._state.keys

    @property
    def seen(self) -> ConsulIndexes:
        """The state of Consul at the last reply."""
        return evolve(self._state.seen, index=self._index)

    def restore(self, copy: KeyValues, seen: ConsulIndexes) -> None:
        """Have what was kept; it is not served yet."""
        self._state.restore(copy, seen)
        self._index = seen.index

    def stop(self) -> None:
        """Write nothing back any more."""
        if self._restore_task is not None:
            self._restore_task.cancel()

    def note_reply(self, index: int) -> None:
        """Consul has replied."""
        self._previous_index, self._index = self._index, index

    def apply_rows(self, rows: KvRows) -> bool:
        """Apply the kill switches in *rows*, which have just been read; whether anything changed."""
        self._listing = rows.values
        before, created = self._state.missing, rows.create_indexes.get(active_key(self.prefix), 0)
        shifts = self._state.apply_listing(rows.values, self._previous_index, ConsulIndexes(self._index, created))
        for shift in shifts:
            told = {"action": shift.action, "name": shift.name, "said": printable(shift.key_value)}
            self._log.warn("{action} {name}, by a key in KV: {said}", **told)
        self.unrecorded_events += shifts
        if self._state.missing - before and self._restore_task is None:
            self._restore_task = Deferred.fromCoroutine(self._restore_missing())
            self._restore_task.addErrback(self._log_restore_failure)
        return self._serve(shifts)

    def find_abort_keys(self, name: bytes) -> frozenset[str]:
        """The keys in force that abort the service *name* (wire form)."""
        return self._state.find_abort_keys(name)

    def are_deleted(self, keys: Collection[str]) -> bool:
        """Whether KV shows none of *keys*."""
        return self._listing is not None and self._listing.keys().isdisjoint(keys)

    def release(self, keys: Collection[str]) -> bool:
        """Serve as if *keys* were not in force any more; whether any was."""
        return self._serve(self._state.release(keys))

    def _serve(self, shifts: Collection[KillSwitchEvent]) -> bool:
        if shifts:
            state = self.control.state
            state.serve(state.base_snapshot, state.live)
        return bool(shifts)

    async def record_events(self) -> None:
        """Have in the audit log what KV began and ended."""
        shifts, self.unrecorded_events = self.unrecorded_events, []
        for shift in shifts:
            await self.control.record_event(shift.action, shift.name, *shift.to_plain(), "consul")

    def _log_restore_failure(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log.failure("writing back what is halted", failure)

    async def _restore_missing(self) -> None:
        """Have what was lost in KV again, unless it is there already. Tries on: Consul may be without a leader yet."""
        written, why = set[str](), ""
        try:
            for _ in range(_MAX_RESTORE_ATTEMPTS):
                for key in sorted(self._state.missing):
                    if key in written or key not in self._state.missing:
                        continue  # it has been released meanwhile
                    try:
                        await publication.create_key(self.consul, key, self.keys[key])
                        written.add(key)
                        self._log.warn("{key} had vanished from KV, and is written back", key=printable(key))
                    except ControlError as error:
                        why = str(error)
                if not self._state.missing - written:
                    return
                await sleep(self.reactor, _RESTORE_INTERVAL_SECONDS)
            lost = ", ".join(map(printable, sorted(self._state.missing - written)))
            self._log.warn("{keys}: gone from KV, in force here, not written back: {why}", keys=lost, why=why)
        finally:
            self._restore_task = None
