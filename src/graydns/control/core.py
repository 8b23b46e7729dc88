"""ControlCore: what every part of control shares, and what happens to a running server without an operator.

::

    ControlCore ── state          what is served, and where it comes from
                ├─ reloader       files, rollbacks and policy revisions ─► Snapshot
                ├─ live_commands  live changes, one at a time (run_exclusively)
                └─ periodic_tasks changed files are loaded, and what has expired ends
    PolicySubscriber, KillSwitchCommands, ControlPlane: made with the core, not with each other
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from attrs import Factory, define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from graydns.control.collaborators import ControlAuditLog
from graydns.control.live_commands import LiveChangeCommands
from graydns.control.negative_trust_anchors import NegativeTrustAnchorCommands
from graydns.control.snapshot_reloader import ReloadRefusedError, RollbackPinnedError, SnapshotReloader
from graydns.control.state import ControlState
from graydns.runtime.timing import PeriodicTasks

ResultT = TypeVar("ResultT")


@define(eq=False)
class ControlCore:
    """Made by ``control.startup.open_control``. *audit*: where events are written, None = nowhere."""

    state: ControlState
    reactor: Any = field(repr=False)
    reloader: SnapshotReloader = field(repr=False)
    live_commands: LiveChangeCommands = field(repr=False)
    audit: ControlAuditLog | None = field(default=None, repr=False)
    negative_trust_anchors: NegativeTrustAnchorCommands = field(
        init=False,
        repr=False,
        default=Factory(lambda self: NegativeTrustAnchorCommands(self.state, self.live_commands), takes_self=True),
    )
    periodic_tasks: PeriodicTasks = field(
        init=False, repr=False, default=Factory(lambda self: self._make_periodic_tasks(), takes_self=True)
    )
    _is_loading_soon: bool = field(init=False, default=False, repr=False)
    _log: Logger = field(init=False, factory=Logger, repr=False)

    async def run_exclusively(self, change: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Run *change*, a live change, while no other runs; returns what it returns."""
        await self.state.lock.acquire()
        try:
            return await change()
        finally:
            self.state.lock.release()
            self.periodic_tasks.schedule_expiry()

    async def record_event(
        self, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None = None
    ) -> None:
        """Write what no operator asked for to the audit log. *origin*: what caused it, such as ``file`` or ``time``.

        A log that cannot be written is an error in the server's log, and raises nothing.
        """
        if (audit := self.audit) is None:
            return
        try:
            await self.live_commands.in_thread(lambda: audit.write("", action, target, before, after, origin, tenant))
        except OSError:
            self._log.failure("the audit log cannot be written")

    async def reload_unattended(self, trigger: str) -> None:
        """Load the files without an operator; a refusal is shown by ``status``, the log and the audit log."""
        try:
            outcome = await self.reloader.reload(trigger, "", force=False, prune=None)
        except RollbackPinnedError:
            return
        except ReloadRefusedError as error:
            await self.record_event("reload", "files", None, {"refused": list(error.errors)}, trigger)
        else:
            if outcome["changed"]:
                await self.record_event("reload", "files", outcome["before"], outcome["after"], trigger)

    async def reload_if_stale(self) -> None:
        """Load the files if any of them, or another source, has changed since they were last read."""
        if await self.reloader.is_stale():
            await self.reload_unattended("file")

    def reload_soon(self) -> None:
        """Load what has changed, without waiting for the next poll; not while that is being done already.

        A change that comes meanwhile is found by the next poll.
        """
        if self._is_loading_soon:
            return
        self._is_loading_soon = True
        loading = Deferred.fromCoroutine(self.reload_if_stale())
        loading.addErrback(lambda failure: self._log.failure("loading a changed source failed", failure))
        loading.addBoth(self._finish_loading_soon)

    def _finish_loading_soon(self, _: object) -> None:
        self._is_loading_soon = False

    def _make_periodic_tasks(self) -> PeriodicTasks:
        return PeriodicTasks(
            self.reactor,
            poll=self.reload_if_stale,
            interval=lambda: self.state.served_reading.config.reload.refresh_interval_ms / 1000,
            expire=self._expire_due,
            next_expiry=self._seconds_to_next_expiry,
        )

    def _seconds_to_next_expiry(self) -> float | None:
        expiries = (self.state.live.next_expiry(), self.negative_trust_anchors.next_configured_expiry())
        until = min((each for each in expiries if each is not None), default=None)
        return None if until is None else until - self.state.wall()

    async def _expire_due(self) -> None:
        self.negative_trust_anchors.expire_configured()
        if self.state.live.unexpired_at(self.state.wall()) != self.state.live:
            for ended in await self.run_exclusively(self.live_commands.expire):
                await self.record_event(origin="time", **ended)
