"""Policy desk: what operators do with policies in Consul's KV."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define

from graydns.config.release_policy import dump_release_policy
from graydns.control import publishing
from graydns.control.control_plane import ControlPlane
from graydns.control.drafting import Draft, changed, cleared, draft
from graydns.control.live_changes import ServiceOverride
from graydns.control.live_commands import LiveChangeCommands
from graydns.control.policycentre import PolicyCentre
from graydns.control.polling import poll_until
from graydns.control.pruning import Bound, prune
from graydns.control.reports.services import describe_effective, find_service
from graydns.control.share_changes import ShareChange
from graydns.model.errors import ConfigError, ControlError
from graydns.runtime.slices import run_in_slices
from graydns.sources.policy.acceptance import Mark, Terms
from graydns.sources.policy.reading import KeyValues, folder_of, revisions

Table = dict[str, Any]
T = TypeVar("T")


@define(eq=False)
class PolicyDesk:
    """Writes where *centre* reads. Every method raises ControlError."""

    centre: PolicyCentre

    @property
    def control(self) -> ControlPlane:
        """What the centre takes revisions for."""
        return self.centre.control

    @property
    def changing(self) -> LiveChangeCommands:
        """What changes services here."""
        return self.centre.control.live_commands

    def status(self) -> Table:
        """What runs of them, and what was refused."""
        return self.centre.status()

    async def list(self) -> list[Table]:
        """The last revisions that KV has."""
        rows, terms, now = (await self._rows()).values, self._terms(), self._now()
        accepted = self.centre.accepted
        return await self._aside(lambda: publishing.rows_of(rows, accepted, terms, now))

    async def show(self, revision: int | None) -> Table:
        """One revision, None = the active one, as it can be pushed."""
        rows, terms = (await self._rows()).values, self._terms()
        return await self._aside(lambda: publishing.content(rows, revision, terms))

    async def name(self, text: str) -> Table:
        """The ``revision`` that *text* is, its ``tenant`` and its ``digest``, as in ``status``."""
        terms = self.centre.terms
        return await self._aside(lambda: publishing.name_of(text, terms))

    async def push(self, text: str, activate: bool, base: int | None = None) -> Table:
        """Publish the revision that *text* is, and with *activate* let it count; with *base* only while that one is
        active, 0 = none.
        """
        rows = await self._rows()
        if base is not None:
            publishing.check_base(rows.values, base, self._terms())
        return await self._publish(text, rows, activate)

    async def _publish(self, text: str, rows: publishing.Rows, activate: bool) -> Table:
        terms = self._terms()
        number, entries = await self._aside(lambda: publishing.revision_of(text, terms))
        if any(key.startswith(folder_of(terms.prefix, number)) for key in rows.values):
            raise ControlError(f"there is a revision {number} already; `policy activate {number}` lets it count")
        await self._check({**rows.values, **entries}, number, activate)
        consul, prefix = self.centre.consul, terms.prefix
        before = self.centre.revision
        index = await publishing.write(consul, prefix, number, entries, rows, activate=activate)
        done = await self._done(number, before, activate)
        try:
            active = number if activate else publishing.active_of(rows.values, prefix)
            bound = Bound(active, index, self.centre.keep, {self.centre.revision})
            if gone := await prune(consul, prefix, rows, bound):
                done["after"]["pruned"] = list(gone)
        except ControlError as error:
            done.setdefault("warning", f"old revisions stay in KV: {error}")
        return done

    async def activate(self, number: int) -> Table:
        """Let a revision count that is there."""
        terms, rows = self._terms(), await self._rows()
        await self._check(rows.values, number, True)
        before = self.centre.revision
        await publishing.activate(self.centre.consul, terms.prefix, number, rows)
        return await self._done(number, before, True)

    async def reset(self, number: int) -> Table:
        """Let *number* be the highest revision that was accepted here."""
        return await self.centre.reset(number)

    async def change(self, name: str, shift: ShareChange, actor: str, seconds: float | None) -> Table:
        """Change a service on all nodes, by a new revision."""
        if seconds is not None:
            raise ControlError("what ends by itself does so on one node: --local")
        return await self._shift(name, shift, actor)

    async def clear(self, name: str, actor: str) -> Table:
        """Have the policy say nothing of a service, by a new revision."""
        return await self._shift(name, None, actor)

    async def draft(self, name: str, shift: ShareChange | None, actor: str) -> Table:
        """The revision that the one or the other would publish, to be signed elsewhere and pushed."""
        made = self._draft(name, shift, actor, await self._rows())
        return {"base": made.base, "revision": dump_release_policy(made.strategy)}

    async def _shift(self, name: str, shift: ShareChange | None, actor: str) -> Table:
        if self.centre.terms.keys is not None:
            raise ControlError(
                "policies have to be signed, and no server has the key for that: --key FILE signs the change, "
                "--local makes it on this node only, and `service abort` needs no signature"
            )
        state, rows = self.changing.state, await self._rows()
        found, made = find_service(state, name), self._draft(name, shift, actor, rows)
        before = describe_effective(state, found, state.live)
        done = await self._publish(json.dumps(dump_release_policy(made.strategy)), rows, True)
        found = find_service(state, name)
        done |= {"service": found.name, "tenant": found.tenant, "nodes": "all"}
        done["before"] |= before
        done["after"] |= describe_effective(state, found, state.live)
        if found.name in state.live.services:
            done.setdefault("warning", f"live changes of this node count before it: `service revert {found.name}`")
        return done

    def _draft(self, name: str, shift: ShareChange | None, actor: str, rows: publishing.Rows) -> Draft:
        """The next revision. Raises ControlError, also where another one is active than runs here."""
        terms, running, mark = self._terms(), self.centre.accepted.running, self.centre.accepted.mark
        publishing.check_base(rows.values, self.centre.revision, terms)
        marked = mark.revision if isinstance(mark, Mark) else 0
        highest = max((*revisions(rows.values, terms.prefix), marked))
        found = find_service(self.changing.state, name) if shift is None else self.changing.find_changeable(name)
        stay = self.changing.record_fields(actor, None)
        made = draft(running, terms, highest + 1, found, stay["actor"])
        return cleared(made, found) if shift is None else changed(made, found, shift(found, ServiceOverride(), stay))

    async def _check(self, rows: KeyValues, number: int, activate: bool) -> None:
        """Raise ControlError unless this server would take the revision."""
        accepted, terms, now = self.centre.accepted, self._terms(), self._now()
        revision = await self._aside(lambda: publishing.check(rows, number, accepted, terms, now))
        if revision is None:
            if activate:
                raise ControlError(f"the time of revision {number} has not come yet")
            return
        try:
            await run_in_slices(self.control.reactor, self.control.reloader.compile_revision(revision))
        except ConfigError as error:
            raise ControlError(str(error)) from None

    async def _done(self, number: int, before: int, activate: bool) -> Table:
        after = number if activate else before or None
        done: Table = {"published": number, "before": {"revision": before or None}, "after": {"revision": after}}
        if activate and not await poll_until(self.control.reactor, lambda: self.centre.revision == number):
            done["warning"] = "it is published, and does not run here yet; see status"
        return done

    async def _aside(self, work: Callable[[], T]) -> T:
        """What *work* gives, in a thread: of a large policy it takes a tenth of a second."""
        return await self.changing.in_thread(work)

    async def _rows(self) -> publishing.Rows:
        return await publishing.read_rows(self.centre.consul, self.centre.terms.prefix)

    def _terms(self) -> Terms:
        if not self.centre.terms.datacenter:
            raise ControlError("Consul has not said yet what its datacenter is called")
        return self.centre.terms

    def _now(self) -> float:
        return self.changing.state.wall()
