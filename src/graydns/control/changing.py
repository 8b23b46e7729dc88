"""Changing: live changes of services; each is on the disk before it is served, and ends by itself if it is to."""

from __future__ import annotations

from typing import Any

from attrs import define, evolve, field
from twisted.logger import Logger

from graydns.control.live import ALL, Live, Override, Stay
from graydns.control.overrides import fault_of, override_service
from graydns.control.plain import moment
from graydns.control.services import Found, effective, look_up, override_of
from graydns.control.shifts import Shift
from graydns.control.state import State
from graydns.model.errors import ControlError
from graydns.model.name import to_text
from graydns.sources.again import InThread

#: The longest that a change may be meant to last, in seconds.
MOST_SECONDS = 366 * 86_400

_log = Logger()


@define(eq=False)
class Changing:
    """Changes services of *state*. Only one method runs at a time: whoever calls sees to that."""

    state: State
    in_thread: InThread = field(repr=False)

    async def change(self, name: str, shift: Shift, actor: str, seconds: float | None) -> dict[str, Any]:
        """Change shares, or who is on the whitelist, on this node."""
        found = self.open(name)
        override = shift(found, override_of(self.state.live, found), self.staying(actor, seconds))
        return await self._change(found, override)

    async def abort(self, name: str, actor: str) -> dict[str, Any]:
        """Give everybody the default version."""
        found = look_up(self.state, name)
        override = override_of(self.state.live, found)
        return await self._change(found, evolve(override, abort=Stay(**self.staying(actor, None))))

    async def put_back(self, name: str, before: Override) -> None:
        """Have a service changed as *before*, its abort being in force for all nodes."""
        await self._change(look_up(self.state, name), before)

    async def revert(self, name: str, actor: str) -> dict[str, Any]:
        """Drop all that was changed live of a service, which the files may have no more."""
        live = self.state.live
        text = name.lower().removesuffix(".")
        if text in self.state.unfit and text in live.services:
            await self.keep(live.with_service(text, Override()))
            return {"service": text, "before": None, "after": None}
        found = look_up(self.state, name)
        if found.name not in live.services:
            raise ControlError(f"nothing of {found.name} was changed live")
        return await self._change(found, Override())

    async def off(self, tenant: str | None, actor: str) -> dict[str, Any]:
        """Give everybody the default version of all services, or of all of *tenant*."""
        live = self.state.live
        if tenant is not None and tenant not in self.state.base.routers:
            raise ControlError(f"there is no tenant {tenant}")
        stay = Stay(**self.staying(actor, None))
        return await self._switch(evolve(live, gray_off={**live.gray_off, tenant or ALL: stay}))

    async def forget_off(self, name: str) -> None:
        """Let go of ``off`` for *name*, a tenant or ALL, as it is in force for all nodes."""
        live = self.state.live
        await self.keep(evolve(live, gray_off={key: stay for key, stay in live.gray_off.items() if key != name}))

    async def on(self, tenant: str | None, actor: str) -> dict[str, Any]:
        """Undo ``off``: for *tenant*, or for all, however they were switched off."""
        live, key = self.state.live, tenant or ALL
        if not live.gray_off or (tenant is not None and key not in live.gray_off):
            if tenant in self.state.off or (tenant is None and self.state.off):
                raise ControlError("gray is off on all nodes; `gray on` without --local ends that")
            if ALL in self.state.gray_off:
                raise ControlError("gray is off for all tenants")
            raise ControlError("gray is not off")
        rest = {} if tenant is None else {other: stay for other, stay in live.gray_off.items() if other != key}
        return await self._switch(evolve(live, gray_off=rest))

    async def expire(self) -> list[dict[str, Any]]:
        """End what is over; what changes, as for the audit log. A full disk does not keep it from ending: at a start it
        is over, whatever the files say."""
        live = self.state.live
        left = live.at(self.state.wall())
        if left == live:
            return []
        before = {
            name: self._in_effect(name)
            for name, override in live.services.items()
            if left.services.get(name) != override
        }
        self.state.serve(self.state.base, left)
        ended = [
            {
                "action": "service expire",
                "target": name,
                "tenant": tenant,
                "before": shown,
                "after": self._in_effect(name)[1],
            }
            for name, (tenant, shown) in before.items()
        ]
        ended += [
            {"action": "nta expire", "target": to_text(name), "before": {"until": moment(anchor.until)}, "after": None}
            for name, anchor in live.negative_trust_anchors.items()
            if name not in left.negative_trust_anchors
        ]
        try:
            await self.in_thread(lambda: self.state.keeper.write(left, self.state.base))
        except OSError as error:
            _log.error("what has ended stays in the files until the next change: {error}", error=error)
        return ended

    def _in_effect(self, name: str) -> tuple[str | None, dict[str, Any] | None]:
        """The tenant of a service that was changed live and what is so of it; None if no file has it any more."""
        try:
            found = look_up(self.state, name)
        except ControlError:
            return None, None
        return found.tenant, effective(self.state, found, self.state.live)

    def open(self, name: str) -> Found:
        """The service called *name*, which can be changed. Raises ControlError."""
        found = look_up(self.state, name)
        if override_of(self.state.live, found).abort is not None:
            raise ControlError(f"{found.name} is aborted; `service revert {found.name}` comes first")
        if found.wire in self.state.aborts:
            raise ControlError(f"{found.name} is aborted on all nodes; `service revert {found.name}` comes first")
        return found

    async def _change(self, found: Found, override: Override) -> dict[str, Any]:
        state = self.state
        service = override_service(found.file, override)
        if override.abort is None and (fault := fault_of(state.base, found.tenant, found.wire, found.name, service)):
            raise ControlError(f"{found.name}: {fault}")
        before = effective(state, found, state.live)
        live = state.live.with_service(found.name, evolve(override, tenant=found.tenant))
        await self.keep(live)
        stays = override.fields().values()
        until = min((stay.until for stay in stays if stay.until is not None), default=None)
        return {
            "service": found.name,
            "tenant": found.tenant,
            "before": before,
            "after": effective(state, found, live),
            "until": moment(until),
        }

    async def _switch(self, live: Live) -> dict[str, Any]:
        before = self.state.gray_off
        await self.keep(live)
        return {"before": {"gray_off": before}, "after": {"gray_off": self.state.gray_off}}

    async def keep(self, live: Live) -> None:
        """Write *live* down, then serve it. Raises ControlError, and then nothing has changed."""
        state = self.state
        try:
            await self.in_thread(lambda: state.keeper.write(live, state.base))
        except OSError as error:
            raise ControlError(f"nothing is changed that cannot be kept: {error}") from None
        state.serve(state.base, live)

    def staying(self, actor: str, seconds: float | None) -> dict[str, Any]:
        """The fields of a Stay that begins now. Raises ControlError."""
        if seconds is not None and not 0 < seconds <= MOST_SECONDS:
            raise ControlError(f"a change lasts for more than 0 and at most {MOST_SECONDS} seconds")
        now = self.state.wall()
        shown = "".join(char if char.isprintable() else "?" for char in actor)[:255]
        return {"actor": shown, "at": now, "until": None if seconds is None else now + seconds}
