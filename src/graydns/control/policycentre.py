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
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.config.consul_settings import ConsulPolicySettings as Policy
from graydns.config.consul_settings import ConsulSettings as Config
from graydns.control.control_plane import ControlPlane
from graydns.control.haltwatch import HaltWatch
from graydns.control.policystore import PolicyStore
from graydns.control.publishing import Rows, followed
from graydns.model.errors import ConfigError, ControlError
from graydns.model.name import to_text
from graydns.runtime.steps import run_steps
from graydns.sources.consul.service import ask_datacenter
from graydns.sources.consul.watching import begin_watch
from graydns.sources.policy import acceptance
from graydns.sources.policy.acceptance import High, Lost, Mark, Revision, Terms
from graydns.sources.policy.errors import Absent, Invalid, NotKept, NotYetValid, PolicyError
from graydns.sources.policy.keys import Keys
from graydns.sources.policy.reading import KeyValues, active_key, read_candidate
from txconsul import Consul, Reply

#: Seconds at most until a revision is looked at again whose time has not come, however the wall clock is set meanwhile.
_LONGEST_NAP = 60.0

#: Octets of KV from which on judging what is there takes more than a few milliseconds, or may.
_LARGE = 32 << 10


class PolicyCentre(Service):
    """Takes revisions for *control*. *keys*: None = they need no signature.

    *keep*: so many revisions stay in KV. *refusals*: by reason. *heard*: Unix seconds of Consul's last word, or of when
    the copy on the disk was made.
    """

    _log = Logger()

    def __init__(
        self, consul: Consul, config: Config, policy: Policy, keys: Keys | None, control: ControlPlane, reactor: Any
    ) -> None:
        self.consul, self.control, self._reactor, self._config = consul, control, reactor, config
        self.terms = Terms(policy.prefix, config.datacenter or "", policy.tenant, keys, policy.least)
        self.accepted = acceptance.State()
        self.refusals: Counter[str] = Counter()
        self.heard: float | None = None
        self.keep = policy.keep
        self._store = PolicyStore(control.state.startup_config.data)
        self._from = "consul"
        self._listing: KeyValues | None = None
        self.halts = HaltWatch(consul, control, reactor, policy.prefix)
        self._unkept = False
        self._lock = DeferredLock()
        self._watch: Any = None
        self._running: Deferred[None] | None = None
        self._nap: Any = None
        control.reloader.committed = self._files_changed

    def restore(self) -> None:
        """Serve the copy on the disk, judged again. Blocks; before the doors are open."""
        state, kept = self.control.state, self._store.load()
        self.accepted = acceptance.State(kept.mark)
        if isinstance(kept.mark, Lost):
            self._log.error("the highest revision that was accepted is not known: {why}", why=kept.mark.why)
        self.halts.restore(kept.copy, kept.seen)
        plain = state.file_snapshot
        if active_key(self.terms.prefix) in kept.copy:
            self.heard, self._from = kept.at, "disk"
            accepted, revision = acceptance.offer(self.accepted, kept.copy, self._terms_of(kept.copy), state.wall())
            if revision is not None:
                try:
                    plain = run_steps(self.control.reloader.compile_revision(revision))
                    accepted, state.revision = acceptance.take(accepted, revision), revision
                except ConfigError as error:
                    accepted = acceptance.refuse(accepted, Invalid(error.issues))
            self._settle(accepted)
        if state.revision is not None or state.aborts or state.switched_off:
            state.apply_snapshot(plain, state.live)

    def startService(self) -> None:
        """Follow the KV."""
        super().startService()  # type: ignore[no-untyped-call]
        self._running = Deferred.fromCoroutine(self._follow())
        self._running.addErrback(self._failed)

    def stopService(self) -> None:
        """Leave it."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._nap is not None and self._nap.active():
            self._nap.cancel()
        self.halts.stop()
        if self._watch is not None:
            self._watch.cancel()
        if self._running is not None:
            self._running.cancel()

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
            "from": self._from,
            "age": None if self.heard is None else round(max(0.0, state.wall() - self.heard), 1),
            "high_water": mark.revision if isinstance(mark, Mark) else None,
            "refused": None if refused is None else {"reason": refused.reason, "text": str(refused)},
            "aborted": sorted(map(to_text, state.aborts)),
            "off": sorted(state.switched_off),
            "unfit": [str(fault) for fault in state.policy_issues],
            "warnings": [] if running is None else list(running.warnings),
        }

    async def reset(self, number: int) -> dict[str, Any]:
        """Let *number* be the highest that was accepted, and look again at what is there. Raises ControlError."""
        await self._lock.acquire()
        try:
            before, accepted = self.accepted.mark, acceptance.reset(self.accepted, number)
            try:
                await self._keep(accepted.mark, accepted.running)
            except OSError as error:
                raise ControlError(f"nothing is changed that cannot be kept: {error}") from None
            self.accepted = accepted
            if self._listing is not None:
                await self._judge(self._listing)
        finally:
            self._lock.release()
        told = before.revision if isinstance(before, Mark) else None
        return {"before": {"high_water": told}, "after": {"high_water": number, "revision": self.revision or None}}

    async def _follow(self) -> None:
        if self._config.datacenter is None:
            self.terms = evolve(self.terms, datacenter=await ask_datacenter(self.consul, self._reactor))
        path, silence = f"kv/{self.terms.prefix}", self._config.stale_after
        self._watch = begin_watch(
            self.consul, path, {"recurse": True}, stale_after=silence, clock=self._reactor, parse=True
        )
        self._watch.heard = self._hear
        async for reply in self._watch:
            self._take(followed(reply, self.terms.prefix))

    def _failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log.failure("following the policies", failure)

    def _hear(self, reply: Reply) -> None:
        self.halts.hear(reply.index or 0)
        self.heard, self._from = self.control.state.wall(), "consul"

    def let_go(self, keys: Collection[str]) -> bool:
        """Whether the halts of *keys*, which were taken out of KV, are over here: they are once Consul shows none."""
        if not self.halts.is_gone(keys):
            return False
        if self.halts.drop(keys):
            self._unkept = True
            self._begin()
        return True

    def _take(self, rows: Rows) -> None:
        """Take up *rows*: its halts now, whatever else goes on, and its revision as soon as that can be."""
        self._listing = rows.values
        self._unkept = self.halts.take(rows) or self._unkept
        self._begin()

    def _begin(self) -> None:
        looking = Deferred.fromCoroutine(self._look())
        looking.addErrback(lambda failure: self._log.failure("taking up what KV says", failure))

    async def _look(self) -> None:
        """Keep the halts if they are others, and judge what was listed last."""
        await self._lock.acquire()
        try:
            if self._unkept:
                self._unkept = False
                await self._keep_halts()
                await self.halts.tell()
            if self._listing is not None:
                await self._judge(self._listing)
        finally:
            self._lock.release()

    async def _judge(self, listing: KeyValues) -> None:
        accepted, revision = await self._offer(listing)
        if revision is not None:
            mark = acceptance.mark_after(accepted.mark, revision)
            try:
                await self.control.reloader.apply_revision(revision, lambda: self._keep(mark, revision))
                accepted = acceptance.take(accepted, revision)
            except ConfigError as error:
                accepted = acceptance.refuse(accepted, Invalid(error.issues))
            except OSError as error:
                accepted = acceptance.refuse(accepted, NotKept(revision.number, str(error)))
        self._settle(accepted)
        if revision is not None and accepted.running is revision:
            tenant = revision.strategy.meta.tenant
            after = {"revision": revision.number, "tenant": tenant, "digest": revision.digest}
            await self.control.record_event("policy take", "policy", None, after, "consul")

    async def _offer(self, listing: KeyValues) -> tuple[acceptance.State, Revision | None]:
        """As acceptance.offer; in a thread where it takes so long that answers would be held up."""
        offered = self.accepted, listing, self.terms, self.control.state.wall()
        if sum(map(len, listing.values())) < _LARGE:
            return acceptance.offer(*offered)
        return await self.control.live_commands.in_thread(lambda: acceptance.offer(*offered))

    def _settle(self, accepted: acceptance.State) -> None:
        """Go on with *accepted*; tell what is new in it."""
        before, self.accepted = self.accepted, accepted
        refused = accepted.refused
        if accepted.running is not None and accepted.running is not before.running:
            self._log.info("policy revision {number} is taken", number=accepted.running.number)
            for warning in accepted.running.warnings:
                self._log.warn("{warning}", warning=warning)
        if refused is not None and str(refused) != str(before.refused):
            self._refuse(refused)
        if isinstance(refused, NotYetValid):
            self._wake(refused.start - self.control.state.wall())

    def _refuse(self, error: PolicyError) -> None:
        if isinstance(error, Absent) and self.accepted.mark is None:
            return  # nothing was ever published
        self.refusals[error.reason] += 1
        self._log.error("policy refused ({reason}): {error}", reason=error.reason, error=str(error))

    def _wake(self, seconds: float) -> None:
        if self._nap is not None and self._nap.active():
            self._nap.cancel()
        self._nap = self._reactor.callLater(min(max(0.0, seconds), _LONGEST_NAP), self._look_again)

    def _look_again(self) -> None:
        if self.running:
            self._begin()

    def _files_changed(self) -> None:
        """What did not fit the files before may do so now."""
        if isinstance(self.accepted.refused, Invalid):
            self._wake(0.0)

    async def _keep_halts(self) -> None:
        try:
            await self._keep(self.accepted.mark, self.accepted.running)
        except OSError as error:
            self._log.error("what is aborted, or off, in KV is in force and cannot be kept: {error}", error=str(error))

    async def _keep(self, mark: High, revision: Revision | None) -> None:
        if isinstance(mark, Lost):
            return  # the file is evidence until somebody resets the mark
        now, halts, seen = self.control.state.wall(), self.halts.keys, self.halts.seen
        await self.control.live_commands.in_thread(lambda: self._store.keep(mark, revision, now, halts, seen))

    def _terms_of(self, copy: KeyValues) -> Terms:
        """The terms for *copy*. Where no datacenter is configured, and Consul cannot be asked, it is the one that was
        compared with Consul's when the copy was made."""
        if self._config.datacenter is not None:
            return self.terms
        try:
            meta = read_candidate(copy, self.terms.prefix).body["meta"]
        except PolicyError:
            return self.terms
        told = meta.get("datacenter") if isinstance(meta, Mapping) else None
        return evolve(self.terms, datacenter=told if isinstance(told, str) else "")
