"""Policy desk: what operators do with policies in Consul's KV, and with aborts that hold for all nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define

from graydns.control import publishing
from graydns.control.changing import Changing
from graydns.control.control import Control
from graydns.control.plain import moment
from graydns.control.policycentre import PolicyCentre
from graydns.control.services import look_up, override_of
from graydns.model.errors import ConfigError, ControlError
from graydns.model.name import from_text, to_text
from graydns.sources.policy.acceptance import Terms
from graydns.sources.policy.reading import KeyValues, folder_of
from graydns.sources.slices import in_slices
from graydns.sources.watch import pause

#: Seconds for which an operator waits until what was written is in force here, and between two looks.
PATIENCE = 2.0
LOOK = 0.005

Table = dict[str, Any]


@define(eq=False)
class PolicyDesk:
    """Writes where *centre* reads. Every method raises ControlError."""

    centre: PolicyCentre

    @property
    def control(self) -> Control:
        """What the centre takes revisions for."""
        return self.centre.control

    @property
    def changing(self) -> Changing:
        """What changes services here."""
        return self.centre.control.changing

    def status(self) -> Table:
        """What runs of them, and what was refused."""
        return self.centre.status()

    async def list(self) -> list[Table]:
        """The last revisions that KV has."""
        rows = await self._rows()
        return publishing.rows_of(rows.values, self.centre.revision, self._terms(), self._now())

    async def show(self, revision: int | None) -> Table:
        """One revision, None = the active one, as it can be pushed."""
        return publishing.content((await self._rows()).values, revision, self._terms())

    async def push(self, text: str, activate: bool) -> Table:
        """Publish the revision that *text* is, and with *activate* let it count."""
        terms, rows = self._terms(), await self._rows()
        number, entries = publishing.revision_of(text, terms)
        if any(key.startswith(folder_of(terms.prefix, number)) for key in rows.values):
            raise ControlError(f"there is a revision {number} already; `policy activate {number}` lets it count")
        await self._check({**rows.values, **entries}, number, activate)
        await publishing.write(self.centre.consul, terms.prefix, number, entries, rows, activate=activate)
        return await self._done(number, activate)

    async def activate(self, number: int) -> Table:
        """Let a revision count that is there."""
        terms, rows = self._terms(), await self._rows()
        await self._check(rows.values, number, True)
        await publishing.activate(self.centre.consul, terms.prefix, number, rows)
        return await self._done(number, True)

    async def reset(self, number: int) -> Table:
        """Let *number* be the highest revision that was accepted here."""
        return await self.centre.reset(number)

    async def abort(self, name: str, actor: str) -> Table:
        """Send everybody to the default version: here at once, and on all nodes through KV."""
        state = self.changing.state
        found = look_up(state, name)
        before = override_of(state.live, found)
        done = await self.control.alone(lambda: self.changing.abort(name, actor))
        try:
            text = f"{actor} {moment(state.wall())}"
            await publishing.put_abort(self.centre.consul, self.centre.terms.prefix, found.wire, text)
        except ControlError as error:
            return done | {"nodes": "this one", "warning": f"this node only: {error}"}
        if await self._until(lambda: found.wire in state.aborts) and before.abort is None:
            await self.control.alone(lambda: self.changing.put_back(name, before))
        return done | {"nodes": "all"}

    async def revert(self, name: str, actor: str) -> Table:
        """End what was changed live here, and an abort on all nodes."""
        state = self.changing.state
        try:
            wire = from_text(name)
        except ValueError as error:
            raise ControlError(str(error)) from None
        if wire not in state.aborts:
            return await self.control.alone(lambda: self.changing.revert(name, actor))
        await publishing.delete_abort(self.centre.consul, self.centre.terms.prefix, wire)
        ended = await self._until(lambda: wire not in state.aborts)
        done: Table = {"service": to_text(wire), "before": {"aborted": True}, "after": {"aborted": not ended}}
        if to_text(wire) in state.live.services:
            done |= {"after": (await self.control.alone(lambda: self.changing.revert(name, actor)))["after"]}
        done |= {"nodes": "all"}
        return done if ended else done | {"warning": "Consul has not said yet that the abort is over"}

    async def _check(self, rows: KeyValues, number: int, activate: bool) -> None:
        """Raise ControlError unless this server would take the revision."""
        revision = publishing.check(rows, number, self.centre.accepted, self._terms(), self._now())
        if revision is None:
            if activate:
                raise ControlError(f"the time of revision {number} has not come yet")
            return
        try:
            await in_slices(self.control.reactor, self.control.reloader.laid(revision))
        except ConfigError as error:
            raise ControlError(str(error)) from None

    async def _done(self, number: int, activate: bool) -> Table:
        before = self.centre.revision or None
        after = number if activate else before
        done: Table = {"published": number, "before": {"revision": before}, "after": {"revision": after}}
        if activate and not await self._until(lambda: self.centre.revision == number):
            done["warning"] = "it is published, and does not run here yet; see status"
        return done

    async def _rows(self) -> publishing.Rows:
        return await publishing.read_rows(self.centre.consul, self.centre.terms.prefix)

    def _terms(self) -> Terms:
        if not self.centre.terms.datacenter:
            raise ControlError("Consul has not said yet what its datacenter is called")
        return self.centre.terms

    def _now(self) -> float:
        return self.changing.state.wall()

    async def _until(self, true: Callable[[], bool]) -> bool:
        """Whether it comes true while an operator would wait."""
        reactor = self.control.reactor
        end = reactor.seconds() + PATIENCE
        while not true():
            if reactor.seconds() > end:
                return False
            await pause(reactor, LOOK)
        return True
