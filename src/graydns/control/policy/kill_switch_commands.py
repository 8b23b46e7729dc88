"""Halting: services and tenants sent to their default versions on all nodes, through keys in Consul's KV.

It is in force here at once, with or without Consul; on the other nodes once Consul has delivered the key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from attrs import define

from graydns.control.core import ControlCore
from graydns.control.live_changes import ALL_TENANTS
from graydns.control.policy import publication
from graydns.control.policy.drafts import mentions_service
from graydns.control.policy.revisions import abort_folder, off_folder
from graydns.control.policy.subscriber import PolicySubscriber
from graydns.control.reports.plain_data import format_time
from graydns.control.service_overrides import find_override, find_service
from graydns.control.state import ControlState
from graydns.model.errors import ControlError
from graydns.model.name import from_text, to_text
from graydns.runtime.timing import poll_until

Table = dict[str, Any]


@define(eq=False)
class KillSwitchCommands:
    """Writes the keys that *subscriber* reads. Every method raises ControlError."""

    subscriber: PolicySubscriber

    @property
    def _control(self) -> ControlCore:
        return self.subscriber.control

    @property
    def _state(self) -> ControlState:
        return self.subscriber.control.state

    async def abort(self, name: str, actor: str) -> Table:
        """Send everybody to the default version of a service."""
        state, changing = self._state, self._control.live_commands
        found = find_service(state.base_snapshot, name)
        before = find_override(state.live, found)
        done = await self._control.run_exclusively(lambda: changing.abort(name, actor))
        undo = (lambda: changing.restore(name, before)) if before.abort is None else None
        return await self._publish_key(
            done, self._abort_key(found.wire), actor, lambda: found.wire in state.aborts, undo
        )

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
        ended = await self._delete_keys({self._abort_key(wire), *self.subscriber.kill_switch.find_abort_keys(wire)})
        done = {"service": to_text(wire), "before": {"aborted": True}, "after": {"aborted": not ended}}
        if to_text(wire) in state.live.services:
            done["after"] = (await self._control.run_exclusively(lambda: changing.revert(name, actor)))["after"]
        return _describe_end(done, ended)

    async def switch_off(self, tenant: str | None, actor: str) -> Table:
        """Send everybody to the default versions of all services, or of those of *tenant*."""
        state, changing, name = self._state, self._control.live_commands, tenant or ALL_TENANTS
        was_off = name in state.live.gray_off
        done = await self._control.run_exclusively(lambda: changing.switch_off(tenant, actor))
        undo = None if was_off else (lambda: changing.discard_switch_off(name))
        return await self._publish_key(done, self._off_key(name), actor, lambda: name in state.switched_off, undo)

    async def switch_on(self, tenant: str | None, actor: str) -> Table:
        """End that for *tenant*, or for all, however they were switched off."""
        state, changing, before = self._state, self._control.live_commands, self._state.gray_off
        ours = set(state.switched_off) if tenant is None else {tenant} & set(state.switched_off)
        ended = await self._delete_keys({self._off_key(name) for name in ours})
        if not ours or tenant in state.live.gray_off or (tenant is None and state.live.gray_off):
            done = await self._control.run_exclusively(lambda: changing.switch_on(tenant, actor))
            if not ours:
                return {**done, "nodes": "this one"}
        return _describe_end({"before": {"gray_off": before}, "after": {"gray_off": state.gray_off}}, ended)

    async def _delete_keys(self, keys: Collection[str]) -> bool:
        """Delete *keys* from KV, and release them here once Consul has confirmed it; whether it has."""
        for key in sorted(keys):
            await publication.delete_key(self.subscriber.consul, key)
        return await self._poll_until(lambda: self.subscriber.release_kill_switches(keys))

    def _check_live(self, name: bytes) -> None:
        """Raise ControlError if nothing of a service was changed live, and it is the policy that says something."""
        running, text = self.subscriber.accepted.running, to_text(name)
        if running is not None and mentions_service(running.strategy, name) and text not in self._state.live.services:
            raise ControlError(
                f"nothing of {text} was changed live. Revision {running.number} says something of it: `service revert "
                f"{text} --policy` publishes one that does not, `policy rollback` an earlier one"
            )

    async def _publish_key(
        self,
        done: Table,
        key: str,
        actor: str,
        is_told: Callable[[], bool],
        undo: Callable[[], Awaitable[object]] | None,
    ) -> Table:
        """Write *key* for all nodes; once Consul has delivered it, *undo* the change that was *done* on this node
        alone."""
        text = f"{actor} {format_time(self._state.wall())}"
        try:
            await publication.put_key(self.subscriber.consul, key, text)
        except ControlError as error:
            return {**done, "nodes": "this one", "warning": f"this node only: {error}"}
        if await self._poll_until(is_told) and undo is not None:
            await self._control.run_exclusively(undo)
        return {**done, "nodes": "all"}

    async def _poll_until(self, true: Callable[[], bool]) -> bool:
        return await poll_until(self._control.reactor, true)

    def _abort_key(self, name: bytes) -> str:
        return f"{abort_folder(self.subscriber.terms.prefix)}{to_text(name)}"

    def _off_key(self, tenant: str) -> str:
        return f"{off_folder(self.subscriber.terms.prefix)}{tenant}"


def _describe_end(done: Table, ended: bool) -> Table:
    done = {**done, "nodes": "all"}
    return done if ended else {**done, "warning": "Consul has not said yet that it is over"}
