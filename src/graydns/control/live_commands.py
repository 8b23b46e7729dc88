"""Live changes of services: each is stored on the disk before it is served, and expires if it has an end."""

from __future__ import annotations

from typing import Any

from attrs import define, evolve, field
from twisted.logger import Logger

from graydns.control.live_changes import ALL_TENANTS, ChangeRecord, LiveChanges, ServiceOverride
from graydns.control.reports.plain_data import format_time
from graydns.control.reports.services import describe_effective
from graydns.control.service_overrides import (
    ServiceReference,
    ShareChange,
    check_service,
    find_override,
    find_service,
    override_service,
)
from graydns.control.state import ControlState
from graydns.model.errors import ControlError
from graydns.model.name import to_text
from graydns.runtime.disk import DeferToThread

#: The longest time until a change expires, in seconds.
MAX_CHANGE_SECONDS = 366 * 86_400

_log = Logger()


@define(eq=False)
class LiveChangeCommands:
    """Changes services of *state*. The caller makes sure that only one method runs at a time."""

    state: ControlState
    in_thread: DeferToThread = field(repr=False)

    async def change(self, name: str, share_change: ShareChange, actor: str, seconds: float | None) -> dict[str, Any]:
        """Change shares or a whitelist on this node, for *seconds*, None = until reverted. Raises ControlError."""
        found = self.find_changeable(name)
        override = share_change(found, find_override(self.state.live, found), self.record_fields(actor, seconds))
        return await self._change(found, override)

    async def abort(self, name: str, actor: str) -> dict[str, Any]:
        """Restrict a service to its default version. Raises ControlError."""
        found = find_service(self.state.base_snapshot, name)
        override = find_override(self.state.live, found)
        return await self._change(found, evolve(override, abort=ChangeRecord(**self.record_fields(actor, None))))

    async def restore(self, name: str, before: ServiceOverride) -> None:
        """Give a service its override from *before* an abort that all nodes now have from KV. Raises ControlError."""
        await self._change(find_service(self.state.base_snapshot, name), before)

    async def revert(self, name: str, actor: str) -> dict[str, Any]:
        """Remove all live changes of a service, which need not be in the files any more. Raises ControlError."""
        live = self.state.live
        text = name.lower().removesuffix(".")
        if text in self.state.unfit and text in live.services:
            await self.commit(live.with_service(text, ServiceOverride()))
            return {"service": text, "before": None, "after": None}
        found = find_service(self.state.base_snapshot, name)
        if found.name not in live.services:
            raise ControlError(f"{found.name} has no live changes")
        return await self._change(found, ServiceOverride())

    async def switch_off(self, tenant: str | None, actor: str) -> dict[str, Any]:
        """Restrict all services, or those of *tenant*, to their default versions. Raises ControlError."""
        live = self.state.live
        if tenant is not None and tenant not in self.state.base_snapshot.routers:
            raise ControlError(f"there is no tenant {tenant}")
        record = ChangeRecord(**self.record_fields(actor, None))
        return await self._switch(evolve(live, gray_off={**live.gray_off, tenant or ALL_TENANTS: record}))

    async def discard_switch_off(self, name: str) -> None:
        """Remove the switch-off of *name*, a tenant or ``ALL_TENANTS``, that all nodes now have from KV."""
        live = self.state.live
        await self.commit(evolve(live, gray_off={key: each for key, each in live.gray_off.items() if key != name}))

    async def switch_on(self, tenant: str | None, actor: str) -> dict[str, Any]:
        """Undo :meth:`switch_off` for *tenant*, or for all tenants however they were switched off. Raises
        ControlError."""
        live, key = self.state.live, tenant or ALL_TENANTS
        if not live.gray_off or (tenant is not None and key not in live.gray_off):
            if tenant in self.state.switched_off or (tenant is None and self.state.switched_off):
                raise ControlError("gray is off on all nodes; run `graydnsctl gray on` without --local")
            if ALL_TENANTS in self.state.gray_off:
                raise ControlError("gray is off for all tenants")
            raise ControlError("gray is not off")
        rest = {} if tenant is None else {other: each for other, each in live.gray_off.items() if other != key}
        return await self._switch(evolve(live, gray_off=rest))

    async def expire(self) -> list[dict[str, Any]]:
        """End what has expired; returns the events for the audit log.

        It ends even if that cannot be stored: at the next start it has expired, whatever the file says.
        """
        live = self.state.live
        unexpired = live.unexpired_at(self.state.wall())
        if unexpired == live:
            return []
        before = {
            name: self._describe_effective(name)
            for name, override in live.services.items()
            if unexpired.services.get(name) != override
        }
        self.state.serve(self.state.base_snapshot, unexpired)
        ended = [
            {
                "action": "service expire",
                "target": name,
                "tenant": tenant,
                "before": shown,
                "after": self._describe_effective(name)[1],
            }
            for name, (tenant, shown) in before.items()
        ]
        ended += [
            {
                "action": "nta expire",
                "target": to_text(name),
                "before": {"until": format_time(anchor.until)},
                "after": None,
            }
            for name, anchor in live.negative_trust_anchors.items()
            if name not in unexpired.negative_trust_anchors
        ]
        try:
            await self.in_thread(lambda: self.state.store.write(unexpired, self.state.base_snapshot))
        except OSError as error:
            _log.error(
                "live.json cannot be written; expired changes stay in it until the next change: {error}",
                error=error,
            )
        return ended

    def _describe_effective(self, name: str) -> tuple[str | None, dict[str, Any] | None]:
        """The tenant of a service and what is in effect for it; None if the service is gone."""
        try:
            found = find_service(self.state.base_snapshot, name)
        except ControlError:
            return None, None
        return found.tenant, describe_effective(self.state, found, self.state.live)

    def find_changeable(self, name: str) -> ServiceReference:
        """The service *name*. Raises ControlError if there is none, or if it is aborted and takes no other change."""
        found = find_service(self.state.base_snapshot, name)
        if find_override(self.state.live, found).abort is not None:
            raise ControlError(f"{found.name} is aborted; run `graydnsctl service revert {found.name}` first")
        if found.wire in self.state.aborts:
            raise ControlError(
                f"{found.name} is aborted on all nodes; run `graydnsctl service revert {found.name}` first"
            )
        return found

    async def _change(self, found: ServiceReference, override: ServiceOverride) -> dict[str, Any]:
        state = self.state
        service = override_service(found.configured, override)
        if override.abort is None and (
            fault := check_service(state.base_snapshot, found.tenant, found.wire, found.name, service)
        ):
            raise ControlError(f"{found.name}: {fault}")
        before = describe_effective(state, found, state.live)
        live = state.live.with_service(found.name, evolve(override, tenant=found.tenant))
        await self.commit(live)
        records = override.records().values()
        until = min((record.until for record in records if record.until is not None), default=None)
        return {
            "service": found.name,
            "tenant": found.tenant,
            "before": before,
            "after": describe_effective(state, found, live),
            "until": format_time(until),
        }

    async def _switch(self, live: LiveChanges) -> dict[str, Any]:
        before = self.state.gray_off
        await self.commit(live)
        return {"before": {"gray_off": before}, "after": {"gray_off": self.state.gray_off}}

    async def commit(self, live: LiveChanges) -> None:
        """Store *live*, then serve it. Raises ControlError, and then nothing has changed."""
        state = self.state
        try:
            await self.in_thread(lambda: state.store.write(live, state.base_snapshot))
        except OSError as error:
            raise ControlError(f"the change cannot be stored on the disk: {error}; nothing has changed") from None
        state.serve(state.base_snapshot, live)

    def record_fields(self, actor: str, seconds: float | None) -> dict[str, Any]:
        """The fields of a ChangeRecord that begins now and expires in *seconds*. Raises ControlError."""
        if seconds is not None and not 0 < seconds <= MAX_CHANGE_SECONDS:
            raise ControlError(f"a change lasts for more than 0 and at most {MAX_CHANGE_SECONDS} seconds")
        now = self.state.wall()
        shown = "".join(char if char.isprintable() else "?" for char in actor)[:255]
        return {"actor": shown, "at": now, "until": None if seconds is None else now + seconds}
