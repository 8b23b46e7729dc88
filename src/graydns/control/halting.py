"""Halting: services and tenants sent to their default versions on all nodes, through keys in Consul's KV.

It holds here at once, Consul or not; on the other nodes, and here as there, once Consul has told of the key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from attrs import define

from graydns.control import publishing
from graydns.control.control_plane import ControlPlane
from graydns.control.drafting import says
from graydns.control.live_changes import ALL_TENANTS
from graydns.control.policycentre import PolicyCentre
from graydns.control.polling import poll_until
from graydns.control.reports.plain_data import format_time
from graydns.control.reports.services import find_override, find_service
from graydns.control.state import ControlState
from graydns.model.errors import ControlError
from graydns.model.name import from_text, to_text
from graydns.sources.policy.reading import abort_folder, off_folder

Table = dict[str, Any]


@define(eq=False)
class Halting:
    """Writes the keys that *centre* reads. Every method raises ControlError."""

    centre: PolicyCentre

    @property
    def _control(self) -> ControlPlane:
        return self.centre.control

    @property
    def _state(self) -> ControlState:
        return self.centre.control.state

    async def abort(self, name: str, actor: str) -> Table:
        """Send everybody to the default version of a service."""
        state, changing = self._state, self._control.live_commands
        found = find_service(state, name)
        before = find_override(state.live, found)
        done = await self._control.run_exclusively(lambda: changing.abort(name, actor))
        undo = (lambda: changing.restore(name, before)) if before.abort is None else None
        return await self._spread(done, self._abort_key(found.wire), actor, lambda: found.wire in state.aborts, undo)

    async def revert(self, name: str, actor: str) -> Table:
        """End what was changed live here, and an abort on all nodes."""
        state, changing = self._state, self._control.live_commands
        try:
            wire = from_text(name)
        except ValueError as error:
            raise ControlError(str(error)) from None
        if wire not in state.aborts:
            self._check_live(wire)
            done = await self._control.run_exclusively(lambda: changing.revert(name, actor))
            return {**done, "nodes": "this one"}
        ended = await self._end({self._abort_key(wire), *self.centre.halts.aborting(wire)})
        done = {"service": to_text(wire), "before": {"aborted": True}, "after": {"aborted": not ended}}
        if to_text(wire) in state.live.services:
            done["after"] = (await self._control.run_exclusively(lambda: changing.revert(name, actor)))["after"]
        return _over(done, ended)

    async def off(self, tenant: str | None, actor: str) -> Table:
        """Send everybody to the default versions of all services, or of those of *tenant*."""
        state, changing, name = self._state, self._control.live_commands, tenant or ALL_TENANTS
        was_off = name in state.live.gray_off
        done = await self._control.run_exclusively(lambda: changing.switch_off(tenant, actor))
        undo = None if was_off else (lambda: changing.discard_switch_off(name))
        return await self._spread(done, self._off_key(name), actor, lambda: name in state.switched_off, undo)

    async def on(self, tenant: str | None, actor: str) -> Table:
        """End that for *tenant*, or for all, however they were switched off."""
        state, changing, before = self._state, self._control.live_commands, self._state.gray_off
        ours = set(state.switched_off) if tenant is None else {tenant} & set(state.switched_off)
        ended = await self._end({self._off_key(name) for name in ours})
        if not ours or tenant in state.live.gray_off or (tenant is None and state.live.gray_off):
            done = await self._control.run_exclusively(lambda: changing.switch_on(tenant, actor))
            if not ours:
                return {**done, "nodes": "this one"}
        return _over({"before": {"gray_off": before}, "after": {"gray_off": state.gray_off}}, ended)

    async def _end(self, keys: Collection[str]) -> bool:
        """Take *keys* out of KV, and have them over here once Consul has told so; whether it has."""
        for key in sorted(keys):
            await publishing.remove(self.centre.consul, key)
        return await self._comes_true(lambda: self.centre.let_go(keys))

    def _check_live(self, name: bytes) -> None:
        """Raise ControlError if nothing of a service was changed live, and it is the policy that says something."""
        running, text = self.centre.accepted.running, to_text(name)
        if running is not None and says(running.strategy, name) and text not in self._state.live.services:
            raise ControlError(
                f"nothing of {text} was changed live. Revision {running.number} says something of it: `service revert "
                f"{text} --policy` publishes one that does not, `policy rollback` an earlier one"
            )

    async def _spread(
        self,
        done: Table,
        key: str,
        actor: str,
        is_told: Callable[[], bool],
        undo: Callable[[], Awaitable[object]] | None,
    ) -> Table:
        """What is *done* here written as *key* for all; once Consul has told of it, *undo* what was done here alone."""
        text = f"{actor} {format_time(self._state.wall())}"
        try:
            await publishing.put(self.centre.consul, key, text)
        except ControlError as error:
            return {**done, "nodes": "this one", "warning": f"this node only: {error}"}
        if await self._comes_true(is_told) and undo is not None:
            await self._control.run_exclusively(undo)
        return {**done, "nodes": "all"}

    async def _comes_true(self, true: Callable[[], bool]) -> bool:
        return await poll_until(self._control.reactor, true)

    def _abort_key(self, name: bytes) -> str:
        return f"{abort_folder(self.centre.terms.prefix)}{to_text(name)}"

    def _off_key(self, tenant: str) -> str:
        return f"{off_folder(self.centre.terms.prefix)}{tenant}"


def _over(done: Table, ended: bool) -> Table:
    done = {**done, "nodes": "all"}
    return done if ended else {**done, "warning": "Consul has not said yet that it is over"}
