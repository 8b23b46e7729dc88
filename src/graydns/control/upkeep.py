"""Upkeep: what happens by itself: changed files are taken up, and live changes end when their time is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.control.negatives import NegativeAnchors
from graydns.control.reloader import Pinned, Refused, Reloader
from graydns.control.state import State
from graydns.sources.watch import pause

#: Seconds at most between two looks at what ends by itself, however the wall clock is set meanwhile.
_LONGEST_NAP = 60.0


class Note(Protocol):
    """Writes down what no operator asked for."""

    async def __call__(
        self, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None = None
    ) -> None:
        """*origin*: what brought it about."""


@define(eq=False)
class Upkeep:
    """*expire*: ends what is over of *state*; what changed, as for *note*. *negatives*: some of them end, too."""

    state: State
    negatives: NegativeAnchors = field(repr=False)
    reactor: Any = field(repr=False)
    reloader: Reloader = field(repr=False)
    expire: Callable[[], Awaitable[list[dict[str, Any]]]] = field(repr=False)
    note: Note = field(repr=False)
    _running: Deferred[None] | None = field(init=False, default=None, repr=False)
    _wake: Any = field(init=False, default=None, repr=False)

    _log = Logger()

    def start(self) -> None:
        """Look at the files from now on, and end what is to end."""
        self._running = Deferred.fromCoroutine(self._watch())
        self._running.addErrback(self._ended)
        self.arm()

    def stop(self) -> None:
        """Leave it."""
        if self._wake is not None and self._wake.active():
            self._wake.cancel()
        if self._running is not None:
            self._running.cancel()

    async def look(self) -> None:
        """Take files up if any has changed."""
        if await self.reloader.is_stale():
            await self.take_up("file")

    async def take_up(self, trigger: str) -> None:
        """Take files up for no operator; a refusal is for ``status``, the log and the audit log."""
        try:
            outcome = await self.reloader.reload(trigger, "", force=False, prune=None)
        except Pinned:
            return
        except Refused as error:
            await self.note("reload", "files", None, {"refused": list(error.errors)}, trigger)
        else:
            if outcome["changed"]:
                await self.note("reload", "files", outcome["before"], outcome["after"], trigger)

    def arm(self) -> None:
        """Wake when the next change ends, if it was started."""
        if self._running is None:
            return
        if self._wake is not None and self._wake.active():
            self._wake.cancel()
        ends = (self.state.live.until(), self.negatives.until())
        until = min((end for end in ends if end is not None), default=None)
        left = _LONGEST_NAP if until is None else min(max(0.0, until - self.state.wall()), _LONGEST_NAP)
        self._wake = self.reactor.callLater(left, self._expire)

    async def _watch(self) -> None:
        """Look at the files every ``refresh_interval_ms`` until cancelled."""
        while True:
            began = self.reactor.seconds()
            try:
                await self.look()
            except CancelledError:
                raise
            except Exception:
                self._log.failure("looking at the files")
            interval = self.state.served.config.reload.refresh_interval_ms / 1000
            await pause(self.reactor, max(0.0, began + interval - self.reactor.seconds()))

    def _ended(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log.failure("the files are not looked at any more", failure)

    def _expire(self) -> None:
        expiring = Deferred.fromCoroutine(self._end())
        expiring.addErrback(lambda failure: self._log.failure("ending changes", failure))
        expiring.addCallback(lambda _: self.arm())

    async def _end(self) -> None:
        self.negatives.end_configured()
        if self.state.live.at(self.state.wall()) != self.state.live:
            for ended in await self.expire():
                await self.note(origin="time", **ended)
