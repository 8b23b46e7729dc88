"""Upkeep: what happens by itself: changed files are taken up, and live changes end when their time is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.control.negative_trust_anchors import NegativeTrustAnchorCommands
from graydns.control.snapshot_reloader import ReloadRefusedError, RollbackPinnedError, SnapshotReloader
from graydns.control.state import ControlState
from graydns.sources.file_fingerprints import pause

#: Seconds at most between two looks at what ends by itself, however the wall clock is set meanwhile.
_MAX_WAKE_INTERVAL_SECONDS = 60.0


class EventRecorder(Protocol):
    """Writes down what no operator asked for."""

    async def __call__(
        self, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None = None
    ) -> None:
        """*origin*: what brought it about."""


@define(eq=False)
class PeriodicTasks:
    """*expire*: ends what is over of *state*; what changed, as for *note*. *negatives*: some of them end, too."""

    state: ControlState
    negatives: NegativeTrustAnchorCommands = field(repr=False)
    reactor: Any = field(repr=False)
    reloader: SnapshotReloader = field(repr=False)
    expire: Callable[[], Awaitable[list[dict[str, Any]]]] = field(repr=False)
    record_event: EventRecorder = field(repr=False)
    _running: Deferred[None] | None = field(init=False, default=None, repr=False)
    _wake: Any = field(init=False, default=None, repr=False)

    _log = Logger()

    def start(self) -> None:
        """Look at the files from now on, and end what is to end."""
        self._running = Deferred.fromCoroutine(self._poll_files())
        self._running.addErrback(self._log_stop)
        self.schedule_expiry()

    def stop(self) -> None:
        """Leave it."""
        if self._wake is not None and self._wake.active():
            self._wake.cancel()
        if self._running is not None:
            self._running.cancel()

    async def reload_if_stale(self) -> None:
        """Take files up if any has changed."""
        if await self.reloader.is_stale():
            await self.reload("file")

    async def reload(self, trigger: str) -> None:
        """Take files up for no operator; a refusal is for ``status``, the log and the audit log."""
        try:
            outcome = await self.reloader.reload(trigger, "", force=False, prune=None)
        except RollbackPinnedError:
            return
        except ReloadRefusedError as error:
            await self.record_event("reload", "files", None, {"refused": list(error.errors)}, trigger)
        else:
            if outcome["changed"]:
                await self.record_event("reload", "files", outcome["before"], outcome["after"], trigger)

    def schedule_expiry(self) -> None:
        """Wake when the next change ends, if it was started."""
        if self._running is None:
            return
        if self._wake is not None and self._wake.active():
            self._wake.cancel()
        ends = (self.state.live.next_expiry(), self.negatives.next_configured_expiry())
        until = min((end for end in ends if end is not None), default=None)
        left = (
            _MAX_WAKE_INTERVAL_SECONDS
            if until is None
            else min(max(0.0, until - self.state.wall()), _MAX_WAKE_INTERVAL_SECONDS)
        )
        self._wake = self.reactor.callLater(left, self._expire)

    async def _poll_files(self) -> None:
        """Look at the files every ``refresh_interval_ms`` until cancelled."""
        while True:
            began = self.reactor.seconds()
            try:
                await self.reload_if_stale()
            except CancelledError:
                raise
            except Exception:
                self._log.failure("looking at the files")
            interval = self.state.served_reading.config.reload.refresh_interval_ms / 1000
            await pause(self.reactor, max(0.0, began + interval - self.reactor.seconds()))

    def _log_stop(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log.failure("the files are not looked at any more", failure)

    def _expire(self) -> None:
        expiring = Deferred.fromCoroutine(self._expire_due())
        expiring.addErrback(lambda failure: self._log.failure("ending changes", failure))
        expiring.addCallback(lambda _: self.schedule_expiry())

    async def _expire_due(self) -> None:
        self.negatives.expire_configured()
        if self.state.live.unexpired_at(self.state.wall()) != self.state.live:
            for ended in await self.expire():
                await self.record_event(origin="time", **ended)
