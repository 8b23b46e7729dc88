"""Policy centre: what Consul's KV says of releases, over the files and below what operators changed live.

::

    restore()   data/policy.json ──► acceptance.offer ──► Reloader.laid ──► State.lay   before the doors open
    watch of kv/<prefix> ──► halts ───────────────────────────────────────► State.serve at once
                         └─► acceptance.offer ──► Reloader.lay ──► take
                                   refused        keep, serve

A refused revision changes nothing: its reason is in the log, in ``status`` and in a metric.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.config.consul_settings import ConsulPolicySettings as Policy
from graydns.config.consul_settings import ConsulSettings as Config
from graydns.control.core import ControlCore
from graydns.control.policy import acceptance
from graydns.control.policy.acceptance import (
    AcceptanceTerms,
    HighWater,
    HighWaterMark,
    LostHighWaterMark,
    PolicyRevision,
)
from graydns.control.policy.kill_switch import KillSwitchWatcher
from graydns.control.policy.policy_errors import (
    InvalidRevisionError,
    NoActiveRevisionError,
    NotYetValidError,
    PolicyError,
    RevisionNotStoredError,
)
from graydns.control.policy.policy_store import PolicyStore
from graydns.control.policy.publication import KvRows, select_relevant_rows
from graydns.control.policy.revisions import KeyValues, active_key, read_active_candidate
from graydns.control.policy.signatures import PolicyVerifiers
from graydns.model.errors import ConfigError, ControlError
from graydns.model.name import to_text
from graydns.runtime.steps import run_steps
from graydns.runtime.twisted_types import Service
from graydns.sources.consul.consul_source import query_datacenter
from graydns.sources.consul.watches import start_watch
from txconsul import ConsulClient, ConsulReply, ConsulWatch

#: Seconds at most until a revision is looked at again whose time has not come, however the wall clock is set meanwhile.
_MAX_WAKE_INTERVAL_SECONDS = 60.0

#: Octets of KV from which on judging what is there takes more than a few milliseconds, or may.
_MAX_INLINE_EVALUATION_BYTES = 32 << 10


class PolicySubscriber(Service):
    """Takes revisions for *control*. *keys*: None = they need no signature."""

    _log = Logger()

    def __init__(
        self,
        consul: ConsulClient,
        config: Config,
        policy: Policy,
        keys: PolicyVerifiers | None,
        control: ControlCore,
        reactor: Any,
    ) -> None:
        self.consul, self.control, self._reactor, self._config = consul, control, reactor, config
        self.terms = AcceptanceTerms(policy.prefix, config.datacenter or "", policy.tenant, keys, policy.least)
        self.accepted = acceptance.AcceptanceState()
        self.refusals: Counter[str] = Counter()
        self.last_contact: float | None = None
        self.max_revisions = policy.keep
        self._store = PolicyStore(control.state.startup_config.data)
        self._listing_source = "consul"
        self._listing: KeyValues | None = None
        self.kill_switch = KillSwitchWatcher(consul, control, reactor, policy.prefix)
        self._has_unsaved_switches = False
        self._lock = DeferredLock()
        self._watch: ConsulWatch | None = None
        self._follow_task: Deferred[None] | None = None
        self._wake_call: Any = None
        control.reloader.subscribe(self._on_files_reloaded)

    def restore(self) -> None:
        """Serve the copy on the disk, checked again. Blocks; called before the listeners are open."""
        state, kept = self.control.state, self._store.load()
        self.accepted = acceptance.AcceptanceState(kept.mark)
        if isinstance(kept.mark, LostHighWaterMark):
            self._log.error("the highest revision that was accepted is not known: {why}", why=kept.mark.why)
        self.kill_switch.restore(kept.copy, kept.seen)
        plain = state.file_snapshot
        if active_key(self.terms.prefix) in kept.copy:
            self.last_contact, self._listing_source = kept.stored_at, "disk"
            accepted, revision = acceptance.evaluate_listing(
                self.accepted, kept.copy, self._terms_for_copy(kept.copy), state.wall()
            )
            if revision is not None:
                try:
                    plain = run_steps(self.control.reloader.compile_revision(revision))
                    accepted = acceptance.accept_revision(accepted, revision)
                    state.use_revision(revision)
                except ConfigError as error:
                    accepted = acceptance.refuse_revision(accepted, InvalidRevisionError(error.issues))
            self._adopt(accepted)
        if state.revision is not None or state.aborts or state.switched_off:
            state.apply_snapshot(plain, state.live)

    def startService(self) -> None:
        """Follow the KV."""
        super().startService()
        self._follow_task = Deferred.fromCoroutine(self._follow())
        self._follow_task.addErrback(self._log_failure)

    def stopService(self) -> None:
        """Leave it."""
        super().stopService()
        if self._wake_call is not None and self._wake_call.active():
            self._wake_call.cancel()
        self.kill_switch.stop()
        if self._watch is not None:
            self._watch.cancel()
        if self._follow_task is not None:
            self._follow_task.cancel()

    @property
    def revision(self) -> int:
        """The number of the revision that runs, 0 = none does."""
        running = self.accepted.running
        return 0 if running is None else running.number

    def status(self) -> dict[str, Any]:
        """What runs, what was refused, and how old that is."""
        state, running, refused = self.control.state, self.accepted.running, self.accepted.refused
        mark = self.accepted.mark
        return {
            "prefix": self.terms.prefix,
            "revision": None if running is None else running.number,
            "tenant": None if running is None else running.strategy.meta.tenant,
            "signed_by": None if running is None else running.signed_by,
            "digest": None if running is None else running.digest,
            "from": self._listing_source,
            "age": None if self.last_contact is None else round(max(0.0, state.wall() - self.last_contact), 1),
            "high_water": mark.revision if isinstance(mark, HighWaterMark) else None,
            "refused": None if refused is None else {"reason": refused.reason, "text": str(refused)},
            "aborted": sorted(map(to_text, state.aborts)),
            "off": sorted(state.switched_off),
            "unfit": [str(fault) for fault in state.policy_issues],
            "warnings": [] if running is None else list(running.warnings),
        }

    async def reset_high_water(self, number: int) -> dict[str, Any]:
        """Let *number* be the highest that was accepted, and look again at what is there. Raises ControlError."""
        await self._lock.acquire()
        try:
            before, accepted = self.accepted.mark, acceptance.reset_high_water(self.accepted, number)
            try:
                await self._save(accepted.mark, accepted.running)
            except OSError as error:
                raise ControlError(f"nothing is changed that cannot be kept: {error}") from None
            self.accepted = accepted
            if self._listing is not None:
                await self._evaluate(self._listing)
        finally:
            self._lock.release()
        high_water = before.revision if isinstance(before, HighWaterMark) else None
        return {
            "before": {"high_water": high_water},
            "after": {"high_water": number, "revision": self.revision or None},
        }

    async def _follow(self) -> None:
        if self._config.datacenter is None:
            self.terms = evolve(self.terms, datacenter=await query_datacenter(self.consul, self._reactor))
        path, silence = f"kv/{self.terms.prefix}", self._config.stale_after
        self._watch = start_watch(
            self.consul, path, {"recurse": True}, stale_after=silence, clock=self._reactor, parse=True
        )
        self._watch.subscribe(self._on_reply)
        async for reply in self._watch:
            self._on_rows(select_relevant_rows(reply, self.terms.prefix))

    def _log_failure(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log.failure("following the policies", failure)

    def _on_reply(self, reply: ConsulReply) -> None:
        self.kill_switch.note_reply(reply.index or 0)
        self.last_contact, self._listing_source = self.control.state.wall(), "consul"

    def release_kill_switches(self, keys: Collection[str]) -> bool:
        """Whether the halts of *keys*, which were taken out of KV, are over here: they are once Consul shows none."""
        if not self.kill_switch.are_deleted(keys):
            return False
        if self.kill_switch.release(keys):
            self._has_unsaved_switches = True
            self._schedule_evaluation()
        return True

    def _on_rows(self, rows: KvRows) -> None:
        """Apply *rows*: its kill switches now, whatever else goes on, and its revision as soon as possible."""
        self._listing = rows.values
        self._has_unsaved_switches = self.kill_switch.apply_rows(rows) or self._has_unsaved_switches
        self._schedule_evaluation()

    def _schedule_evaluation(self) -> None:
        looking = Deferred.fromCoroutine(self._process_listing())
        looking.addErrback(lambda failure: self._log.failure("taking up what KV says", failure))

    async def _process_listing(self) -> None:
        """Store the kill switches if they have changed, and check what was listed last."""
        await self._lock.acquire()
        try:
            if self._has_unsaved_switches:
                self._has_unsaved_switches = False
                await self._save_kill_switches()
                await self.kill_switch.record_events()
            if self._listing is not None:
                await self._evaluate(self._listing)
        finally:
            self._lock.release()

    async def _evaluate(self, listing: KeyValues) -> None:
        accepted, revision = await self._evaluate_listing(listing)
        if revision is not None:
            mark = acceptance.next_high_water(accepted.mark, revision)
            try:
                await self.control.reloader.apply_revision(revision, lambda: self._save(mark, revision))
                accepted = acceptance.accept_revision(accepted, revision)
            except ConfigError as error:
                accepted = acceptance.refuse_revision(accepted, InvalidRevisionError(error.issues))
            except OSError as error:
                accepted = acceptance.refuse_revision(accepted, RevisionNotStoredError(revision.number, str(error)))
        self._adopt(accepted)
        if revision is not None and accepted.running is revision:
            tenant = revision.strategy.meta.tenant
            after = {"revision": revision.number, "tenant": tenant, "digest": revision.digest}
            await self.control.record_event("policy take", "policy", None, after, "consul")

    async def _evaluate_listing(self, listing: KeyValues) -> tuple[acceptance.AcceptanceState, PolicyRevision | None]:
        """As acceptance.offer; in a thread where it takes so long that answers would be held up."""
        offered = self.accepted, listing, self.terms, self.control.state.wall()
        if sum(map(len, listing.values())) < _MAX_INLINE_EVALUATION_BYTES:
            return acceptance.evaluate_listing(*offered)
        return await self.control.live_commands.in_thread(lambda: acceptance.evaluate_listing(*offered))

    def _adopt(self, accepted: acceptance.AcceptanceState) -> None:
        """Go on with *accepted*; tell what is new in it."""
        before, self.accepted = self.accepted, accepted
        refused = accepted.refused
        if accepted.running is not None and accepted.running is not before.running:
            self._log.info("policy revision {number} is taken", number=accepted.running.number)
            for warning in accepted.running.warnings:
                self._log.warn("{warning}", warning=warning)
        if refused is not None and str(refused) != str(before.refused):
            self._log_refusal(refused)
        if isinstance(refused, NotYetValidError):
            self._schedule_wake(refused.start - self.control.state.wall())

    def _log_refusal(self, error: PolicyError) -> None:
        if isinstance(error, NoActiveRevisionError) and self.accepted.mark is None:
            return  # nothing was ever published
        self.refusals[error.reason] += 1
        self._log.error("policy refused ({reason}): {error}", reason=error.reason, error=str(error))

    def _schedule_wake(self, seconds: float) -> None:
        if self._wake_call is not None and self._wake_call.active():
            self._wake_call.cancel()
        self._wake_call = self._reactor.callLater(min(max(0.0, seconds), _MAX_WAKE_INTERVAL_SECONDS), self._on_wake)

    def _on_wake(self) -> None:
        if self.running:
            self._schedule_evaluation()

    def _on_files_reloaded(self) -> None:
        """What did not fit the files before may do so now."""
        if isinstance(self.accepted.refused, InvalidRevisionError):
            self._schedule_wake(0.0)

    async def _save_kill_switches(self) -> None:
        try:
            await self._save(self.accepted.mark, self.accepted.running)
        except OSError as error:
            self._log.error("what is aborted, or off, in KV is in force and cannot be kept: {error}", error=str(error))

    async def _save(self, mark: HighWater, revision: PolicyRevision | None) -> None:
        if isinstance(mark, LostHighWaterMark):
            return  # the file is evidence until the mark is reset
        now, halts, seen = self.control.state.wall(), self.kill_switch.keys, self.kill_switch.seen
        await self.control.live_commands.in_thread(lambda: self._store.save(mark, revision, now, halts, seen))

    def _terms_for_copy(self, copy: KeyValues) -> AcceptanceTerms:
        """The terms for *copy*. Where no datacenter is configured, and Consul cannot be asked, it is the one that
        was compared with Consul's when the copy was made."""
        if self._config.datacenter is not None:
            return self.terms
        try:
            meta = read_active_candidate(copy, self.terms.prefix).body["meta"]
        except PolicyError:
            return self.terms
        told = meta.get("datacenter") if isinstance(meta, Mapping) else None
        return evolve(self.terms, datacenter=told if isinstance(told, str) else "")
