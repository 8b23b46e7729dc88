"""Halts: what Consul's KV sends to its default version on all nodes, which needs no signature.

::

    <prefix>abort/<service>     one service
    <prefix>off/<tenant>        all services of a tenant; off/* = of all tenants

What is halted stays so until somebody ends it. A key that vanishes while all else vanishes too, because Consul lost its
data or the token its rights, ends nothing: it is *lost*, stays in force here, and is written back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.logger import Logger

from graydns.control.live_changes import ChangeRecord
from graydns.control.state import ControlState
from graydns.model.name import to_text
from graydns.model.text import printable
from graydns.sources.policy.reading import KeyValues, abort_folder, off_folder, read_aborts, read_offs


@frozen
class Seen:
    """What Consul was like when it was heard last: the index of its answer, and that of the making of ``active``, which
    is another one once Consul's data are others; 0 = there is no such key.
    """

    index: int = 0
    created: int = 0

    def whole(self, before: Seen) -> bool:
        """Whether it is the Consul that it was *before*, and no older, so that what is gone was taken out."""
        return self.index > before.index and before.created in (0, self.created)


@frozen
class Shift:
    """A service (*abort*) or a tenant that began or ended to be halted. *said*: by its key."""

    abort: bool
    name: str
    halted: bool
    said: str

    @property
    def action(self) -> str:
        """As operators call it."""
        words = ("service abort", "service revert") if self.abort else ("gray off", "gray on")
        return words[0] if self.halted else words[1]

    def plain(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was, and what is, for the audit log."""
        word = "aborted" if self.abort else "off"
        return {word: not self.halted}, {word: self.halted, "said": self.said}


@define(eq=False)
class Halts:
    """Brings what stands below *prefix* into *state*. *keys*: those that are in force, to be kept. *lost*: those of
    them that are not in KV.
    """

    state: ControlState
    prefix: str
    keys: KeyValues = field(init=False, factory=dict, repr=False)
    lost: Set[str] = field(init=False, factory=frozenset)
    seen: Seen = field(init=False, factory=Seen)
    #: Keys that name nothing, and of which that was said.
    _told: Set[str] = field(init=False, factory=set, repr=False)

    _log = Logger()

    def restore(self, copy: KeyValues, seen: Seen) -> None:
        """Have what was kept."""
        self.seen = seen
        self._have(self._ours(copy))

    def take(self, listing: KeyValues, heard: int, seen: Seen) -> list[Shift]:
        """Have those of *listing*, and what was lost; what that changes. *heard*: the index before the one *seen*."""
        there = self._ours(listing)
        gone = self.keys.keys() - there.keys()
        whole = seen.whole(evolve(self.seen, index=heard))
        lost = frozenset(gone & self.lost if whole else gone)
        self.lost, self.seen = lost, seen
        return self._have({**{key: self.keys[key] for key in lost}, **there})

    def drop(self, keys: Iterable[str]) -> list[Shift]:
        """Let go of *keys*; what that changes."""
        gone = frozenset(keys)
        self.lost = self.lost - gone
        return self._have({key: value for key, value in self.keys.items() if key not in gone})

    def aborting(self, name: bytes) -> frozenset[str]:
        """The keys that abort the service *name* (wire form)."""
        return frozenset(key for key, value in self.keys.items() if name in read_aborts({key: value}, self.prefix)[0])

    def _ours(self, listing: KeyValues) -> dict[str, bytes]:
        folders = (abort_folder(self.prefix), off_folder(self.prefix))
        return {key: value for key, value in listing.items() if key.startswith(folders)}

    def _have(self, keys: KeyValues) -> list[Shift]:
        state, now = self.state, self.state.wall()
        services, strange = read_aborts(keys, self.prefix)
        tenants, others = read_offs(keys, self.prefix)
        unknown = {*strange, *others}
        for key in sorted(unknown - self._told):
            self._log.warn("{key} names no service, or no tenant", key=printable(key))
        self._told = unknown
        aborts = {name: state.aborts.get(name) or ChangeRecord(actor=text, at=now) for name, text in services.items()}
        off = {name: state.switched_off.get(name) or ChangeRecord(actor=text, at=now) for name, text in tenants.items()}
        before = {to_text(name): stay for name, stay in state.aborts.items()}
        shifts = [
            *_shifts(True, before, {to_text(name): stay for name, stay in aborts.items()}),
            *_shifts(False, state.switched_off, off),
        ]
        state.aborts, state.switched_off, self.keys = aborts, off, keys
        return shifts


def _shifts(abort: bool, before: Mapping[str, ChangeRecord], after: Mapping[str, ChangeRecord]) -> list[Shift]:
    both = {**before, **after}
    return [Shift(abort, name, name in after, both[name].actor) for name in sorted(before.keys() ^ after.keys())]
