"""Policy desk: what operators do with policies in Consul's KV."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define

from graydns.config.release_policy import dump_release_policy
from graydns.control.core import ControlCore
from graydns.control.live_changes import ServiceOverride
from graydns.control.live_commands import LiveChangeCommands
from graydns.control.policy import publication
from graydns.control.policy.acceptance import AcceptanceTerms, HighWaterMark
from graydns.control.policy.drafts import PolicyDraft, apply_override, draft, remove_service
from graydns.control.policy.policy_store import RetentionLimit, prune_revisions
from graydns.control.policy.revisions import KeyValues, list_revisions, revision_folder
from graydns.control.policy.subscriber import PolicySubscriber
from graydns.control.reports.services import describe_effective
from graydns.control.service_overrides import ShareChange, find_service
from graydns.model.errors import ConfigError, ControlError
from graydns.runtime.slices import run_in_slices
from graydns.runtime.timing import poll_until

Table = dict[str, Any]
ResultT = TypeVar("ResultT")


@define(eq=False)
class PolicyCommands:
    """Writes where *subscriber* reads. Every method raises ControlError."""

    subscriber: PolicySubscriber

    @property
    def control(self) -> ControlCore:
        """What the centre takes revisions for."""
        return self.subscriber.control

    @property
    def live_commands(self) -> LiveChangeCommands:
        """What changes services here."""
        return self.subscriber.control.live_commands

    def status(self) -> Table:
        """What runs of them, and what was refused."""
        return self.subscriber.status()

    async def list(self) -> list[Table]:
        """The last revisions that KV has."""
        rows, terms, now = (await self._read_rows()).values, self._terms(), self._now()
        accepted = self.subscriber.accepted
        return await self._run_in_thread(lambda: publication.summarize_revisions(rows, accepted, terms, now))

    async def show(self, revision: int | None) -> Table:
        """One revision, None = the active one, as it can be pushed."""
        rows, terms = (await self._read_rows()).values, self._terms()
        return await self._run_in_thread(lambda: publication.export_revision(rows, revision, terms))

    async def name(self, text: str) -> Table:
        """The ``revision`` that *text* is, its ``tenant`` and its ``digest``, as in ``status``."""
        terms = self.subscriber.terms
        return await self._run_in_thread(lambda: publication.identify_revision(text, terms))

    async def push(self, text: str, activate: bool, base: int | None = None) -> Table:
        """Publish the revision that *text* is, and with *activate* let it count; with *base* only while that one is
        active, 0 = none.
        """
        rows = await self._read_rows()
        if base is not None:
            publication.check_base(rows.values, base, self._terms())
        return await self._publish(text, rows, activate)

    async def _publish(self, text: str, rows: publication.KvRows, activate: bool) -> Table:
        terms = self._terms()
        number, entries = await self._run_in_thread(lambda: publication.parse_revision(text, terms))
        if any(key.startswith(revision_folder(terms.prefix, number)) for key in rows.values):
            raise ControlError(f"there is a revision {number} already; `policy activate {number}` lets it count")
        await self._check({**rows.values, **entries}, number, activate)
        consul, prefix = self.subscriber.consul, terms.prefix
        before = self.subscriber.revision
        index = await publication.write_revision(consul, prefix, number, entries, rows, activate=activate)
        done = await self._describe_publication(number, before, activate)
        try:
            active = number if activate else publication.find_active_number(rows.values, prefix)
            bound = RetentionLimit(active, index, self.subscriber.max_revisions, {self.subscriber.revision})
            if gone := await prune_revisions(consul, prefix, rows, bound):
                done["after"]["pruned"] = list(gone)
        except ControlError as error:
            done.setdefault("warning", f"old revisions stay in KV: {error}")
        return done

    async def activate(self, number: int) -> Table:
        """Let a revision count that is there."""
        terms, rows = self._terms(), await self._read_rows()
        await self._check(rows.values, number, True)
        before = self.subscriber.revision
        await publication.activate(self.subscriber.consul, terms.prefix, number, rows)
        return await self._describe_publication(number, before, True)

    async def reset(self, number: int) -> Table:
        """Let *number* be the highest revision that was accepted here."""
        return await self.subscriber.reset_high_water(number)

    async def change(self, name: str, shift: ShareChange, actor: str, seconds: float | None) -> Table:
        """Change a service on all nodes, by a new revision."""
        if seconds is not None:
            raise ControlError("what ends by itself does so on one node: --local")
        return await self._publish_change(name, shift, actor)

    async def clear(self, name: str, actor: str) -> Table:
        """Have the policy say nothing of a service, by a new revision."""
        return await self._publish_change(name, None, actor)

    async def draft(self, name: str, shift: ShareChange | None, actor: str) -> Table:
        """The revision that the one or the other would publish, to be signed elsewhere and pushed."""
        made = self._draft(name, shift, actor, await self._read_rows())
        return {"base": made.base, "revision": dump_release_policy(made.strategy)}

    async def _publish_change(self, name: str, shift: ShareChange | None, actor: str) -> Table:
        if self.subscriber.terms.keys is not None:
            raise ControlError(
                "policies have to be signed, and no server has the key for that: --key FILE signs the change, "
                "--local makes it on this node only, and `service abort` needs no signature"
            )
        state, rows = self.live_commands.state, await self._read_rows()
        found, made = find_service(state.base_snapshot, name), self._draft(name, shift, actor, rows)
        before = describe_effective(state, found, state.live)
        done = await self._publish(json.dumps(dump_release_policy(made.strategy)), rows, True)
        found = find_service(state.base_snapshot, name)
        done |= {"service": found.name, "tenant": found.tenant, "nodes": "all"}
        done["before"] |= before
        done["after"] |= describe_effective(state, found, state.live)
        if found.name in state.live.services:
            done.setdefault("warning", f"live changes of this node count before it: `service revert {found.name}`")
        return done

    def _draft(self, name: str, shift: ShareChange | None, actor: str, rows: publication.KvRows) -> PolicyDraft:
        """The next revision. Raises ControlError, also where another one is active than runs here."""
        terms, running, mark = self._terms(), self.subscriber.accepted.running, self.subscriber.accepted.mark
        publication.check_base(rows.values, self.subscriber.revision, terms)
        marked = mark.revision if isinstance(mark, HighWaterMark) else 0
        highest = max((*list_revisions(rows.values, terms.prefix), marked))
        found = (
            find_service(self.live_commands.state.base_snapshot, name)
            if shift is None
            else self.live_commands.find_changeable(name)
        )
        stay = self.live_commands.record_fields(actor, None)
        made = draft(running, terms, highest + 1, found, stay["actor"])
        return (
            remove_service(made, found)
            if shift is None
            else apply_override(made, found, shift(found, ServiceOverride(), stay))
        )

    async def _check(self, rows: KeyValues, number: int, activate: bool) -> None:
        """Raise ControlError unless this server would take the revision."""
        accepted, terms, now = self.subscriber.accepted, self._terms(), self._now()
        revision = await self._run_in_thread(lambda: publication.check_publishable(rows, number, accepted, terms, now))
        if revision is None:
            if activate:
                raise ControlError(f"the time of revision {number} has not come yet")
            return
        try:
            await run_in_slices(self.control.reactor, self.control.reloader.compile_revision(revision))
        except ConfigError as error:
            raise ControlError(str(error)) from None

    async def _describe_publication(self, number: int, before: int, activate: bool) -> Table:
        after = number if activate else before or None
        done: Table = {"published": number, "before": {"revision": before or None}, "after": {"revision": after}}
        if activate and not await poll_until(self.control.reactor, lambda: self.subscriber.revision == number):
            done["warning"] = "it is published, and does not run here yet; see status"
        return done

    async def _run_in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        """What *work* gives, in a thread: of a large policy it takes a tenth of a second."""
        return await self.live_commands.in_thread(work)

    async def _read_rows(self) -> publication.KvRows:
        return await publication.read_rows(self.subscriber.consul, self.subscriber.terms.prefix)

    def _terms(self) -> AcceptanceTerms:
        if not self.subscriber.terms.datacenter:
            raise ControlError("Consul has not said yet what its datacenter is called")
        return self.subscriber.terms

    def _now(self) -> float:
        return self.live_commands.state.wall()
