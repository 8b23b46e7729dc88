"""Reloader: from files to the served Snapshot, built beside it and swapped in one assignment.

::

    Again.read → accept.merge → checks.check → compile_steps → History.add → State.serve
       child        versions       zones beside    unchanged      fsync         one assignment
                                   each other      are shared

Whatever is wrong on the way leaves what is served untouched.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, evolve, field
from twisted.logger import Logger

from graydns.config.main import Config
from graydns.control.accept import Merged, merge, prune_misfit, without
from graydns.control.changes import changes
from graydns.control.history import History, Record, needed
from graydns.control.live import Live, Pin
from graydns.control.restart import in_effect
from graydns.control.state import State
from graydns.model.errors import ConfigError, ControlError, Fault
from graydns.model.name import from_text, to_text
from graydns.snapshot.compile import compile_steps
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.again import Again
from graydns.sources.checks import check
from graydns.sources.reading import Reading
from graydns.sources.slices import in_slices
from graydns.sources.watch import Look

_log = Logger()


class Refused(ControlError):
    """A reload that changed nothing. *errors*: each of the reasons."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


@define(eq=False)
class Reloader:
    """Takes up files and old snapshots for *state*. Only one method runs at a time: whoever calls sees to that."""

    state: State
    again: Again = field(repr=False)
    history: History = field(repr=False)
    _last: Reading = field(init=False, repr=False)
    _seen: dict[Path, Any] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._last = self.state.served
        self._seen = dict(self.state.served.look)

    async def is_stale(self) -> bool:
        """Whether a file has changed since files were last read."""
        now = await self.again.glance(self.state.served, self._last)
        return any(self._seen.get(path) != stamp for path, stamp in now.items())

    async def reload(self, trigger: str, actor: str, *, force: bool = False, prune: str | None = None) -> dict[str, Any]:
        """Take up the files as they are. Raises Refused."""
        try:
            outcome = await self._reload(trigger, actor, force, None if prune is None else _zone(prune))
        except ConfigError as error:
            raise self._refused(trigger, actor, (str(fault) for fault in error.faults)) from None
        except Refused as error:
            raise self._refused(trigger, actor, error.errors) from None
        except OSError as error:
            raise self._refused(trigger, actor, [f"nothing is changed that cannot be kept: {error}"]) from None
        self.state.note(trigger, actor)
        return outcome

    async def _reload(self, trigger: str, actor: str, force: bool, prune: bytes | None) -> dict[str, Any]:
        state = self.state
        read = await self.again.read(self._known(), self._last)
        self._last, self._seen = read, dict(read.look)
        if (pin := state.live.pin) is not None and not force and not _above(read, pin):
            raise Refused([_pinned(pin)])
        merged = merge(state.served, read, force=force, prune=prune)
        if prune is not None and (misfit := prune_misfit(prune, merged, state.served)):
            raise Refused([misfit])
        merged, snapshot, waiting = await self._compiled(merged)
        blobs = {**state.served.blobs, **merged.reading.blobs}
        served = evolve(merged.reading, blobs=blobs, faults={}, wanted=())
        found = None
        if _differs(state.served, served) or pin is not None:
            found = await in_slices(self.again.reactor, changes(state.served, served))
            record = Record(snapshot.number, state.wall(), trigger, actor, found)
            await self.again.in_thread(lambda: self.history.add(record, served))
            blobs = {}
        before = state.base.number
        state.served = evolve(served, blobs=blobs if found is None else {})
        state.vanished, state.faults, state.waiting = merged.vanished, merged.faults, waiting
        if found is not None:
            state.serve(snapshot, evolve(state.live, pin=None))
        return self._outcome(before, found)
