"""Halts: what Consul's KV sends to its default version on all nodes, which needs no signature.

::

    <prefix>abort/<service>     one service
    <prefix>off/<tenant>        all services of a tenant; off/* = of all tenants
"""

from __future__ import annotations

from collections.abc import Set

from attrs import define, field
from twisted.logger import Logger

from graydns.control.live import Stay
from graydns.control.state import State
from graydns.model.text import printable
from graydns.sources.policy.reading import KeyValues, abort_folder, off_folder, read_aborts, read_offs


@define(eq=False)
class Halts:
    """Brings what stands below *prefix* into *state*. *keys*: those that are in force, to be kept."""

    state: State
    prefix: str
    keys: KeyValues = field(init=False, factory=dict, repr=False)
    #: Keys that name nothing, and of which that was said.
    _told: Set[str] = field(init=False, factory=set, repr=False)

    _log = Logger()

    def take(self, listing: KeyValues, *, keep_old: bool) -> bool:
        """Have those of *listing*, and with *keep_old* those that there were as well; whether they are others."""
        state, now = self.state, self.state.wall()
        services, strange = read_aborts(listing, self.prefix)
        tenants, others = read_offs(listing, self.prefix)
        unknown = {*strange, *others}
        for key in sorted(unknown - self._told):
            self._log.warn("{key} names no service, or no tenant", key=printable(key))
        self._told = unknown
        aborts = {name: state.aborts.get(name) or Stay(actor=text, at=now) for name, text in services.items()}
        off = {name: state.off.get(name) or Stay(actor=text, at=now) for name, text in tenants.items()}
        folders = (abort_folder(self.prefix), off_folder(self.prefix))
        keys = {key: value for key, value in listing.items() if key.startswith(folders)}
        if keep_old:
            aborts, off, keys = {**state.aborts, **aborts}, {**state.off, **off}, {**self.keys, **keys}
        changed = aborts.keys() != state.aborts.keys() or off.keys() != state.off.keys()
        state.aborts, state.off, self.keys = aborts, off, keys
        return changed
