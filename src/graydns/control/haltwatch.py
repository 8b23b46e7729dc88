"""Halt watch: what is halted in Consul's KV, served as soon as it is heard of, told, and written back if it is lost."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.control import publishing
from graydns.control.control_plane import ControlPlane
from graydns.control.halts import Halts, Seen, Shift
from graydns.control.publishing import Rows
from graydns.model.errors import ControlError
from graydns.model.text import printable
from graydns.sources.file_fingerprints import pause
from graydns.sources.policy.reading import KeyValues, active_key
from txconsul import Consul

#: So often, and so many seconds after one another, is it tried to write back what was lost.
_TRIES, _BETWEEN_TRIES = 30, 1.0


@define(eq=False)
class HaltWatch:
    """*prefix*: of all keys. *shifts*: what KV began or ended and is not in the audit log yet."""

    consul: Consul = field(repr=False)
    control: ControlPlane = field(repr=False)
    reactor: Any = field(repr=False)
    prefix: str
    shifts: list[Shift] = field(init=False, factory=list)
    _halts: Halts = field(init=False)
    _there: KeyValues | None = field(init=False, default=None, repr=False)
    _index: int = field(init=False, default=0)
    _before: int = field(init=False, default=0)
    _writing: Deferred[None] | None = field(init=False, default=None, repr=False)

    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self._halts = Halts(self.control.state, self.prefix)

    @property
    def keys(self) -> KeyValues:
        """Those in force."""
        return self._halts.keys

    @property
    def seen(self) -> Seen:
        """What Consul was like when it was heard last."""
        return evolve(self._halts.seen, index=self._index)

    def restore(self, copy: KeyValues, seen: Seen) -> None:
        """Have what was kept; it is not served yet."""
        self._halts.restore(copy, seen)
        self._index = seen.index

    def stop(self) -> None:
        """Write nothing back any more."""
        if self._writing is not None:
            self._writing.cancel()

    def hear(self, index: int) -> None:
        """Consul was heard."""
        self._before, self._index = self._index, index

    def take(self, rows: Rows) -> bool:
        """Serve what *rows*, of which was just heard, have halted; whether that is anything new."""
        self._there = rows.values
        before, created = self._halts.lost, rows.created.get(active_key(self.prefix), 0)
        shifts = self._halts.take(rows.values, self._before, Seen(self._index, created))
        for shift in shifts:
            told = {"action": shift.action, "name": shift.name, "said": printable(shift.said)}
            self._log.warn("{action} {name}, by a key in KV: {said}", **told)
        self.shifts += shifts
        if self._halts.lost - before and self._writing is None:
            self._writing = Deferred.fromCoroutine(self._write_back())
            self._writing.addErrback(self._unwritten)
        return self._serve(shifts)

    def aborting(self, name: bytes) -> frozenset[str]:
        """The keys in force that abort the service *name* (wire form)."""
        return self._halts.aborting(name)

    def is_gone(self, keys: Collection[str]) -> bool:
        """Whether KV shows none of *keys*."""
        return self._there is not None and self._there.keys().isdisjoint(keys)

    def drop(self, keys: Collection[str]) -> bool:
        """Serve as if *keys* were not in force any more; whether any was."""
        return self._serve(self._halts.drop(keys))

    def _serve(self, shifts: Collection[Shift]) -> bool:
        if shifts:
            state = self.control.state
            state.serve(state.base_snapshot, state.live)
        return bool(shifts)

    async def tell(self) -> None:
        """Have in the audit log what KV began and ended."""
        shifts, self.shifts = self.shifts, []
        for shift in shifts:
            await self.control.record_event(shift.action, shift.name, *shift.plain(), "consul")

    def _unwritten(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log.failure("writing back what is halted", failure)

    async def _write_back(self) -> None:
        """Have what was lost in KV again, unless it is there already. Tries on: Consul may be without a leader yet."""
        written, why = set[str](), ""
        try:
            for _ in range(_TRIES):
                for key in sorted(self._halts.lost):
                    if key in written or key not in self._halts.lost:
                        continue  # somebody has ended it meanwhile
                    try:
                        await publishing.put_new(self.consul, key, self.keys[key])
                        written.add(key)
                        self._log.warn("{key} had vanished from KV, and is written back", key=printable(key))
                    except ControlError as error:
                        why = str(error)
                if not self._halts.lost - written:
                    return
                await pause(self.reactor, _BETWEEN_TRIES)
            told = ", ".join(map(printable, sorted(self._halts.lost - written)))
            self._log.warn("{keys}: gone from KV, in force here, not written back: {why}", keys=told, why=why)
        finally:
            self._writing = None
