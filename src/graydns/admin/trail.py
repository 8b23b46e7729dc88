"""Trail: what the admin interface writes to the audit log. Never on the reactor's thread: it waits for the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from graydns.admin.control import Audit, Plain
from graydns.admin.identity import Identity
from graydns.admin.security import Refused
from graydns.model.errors import ControlError


@frozen
class Deed:
    """What somebody is about to change. *asked*: with what arguments. *tenant*: whose it is, None = everybody's."""

    action: str
    target: str
    asked: dict[str, Plain]
    tenant: str | None


@define(eq=False)
class Trail:
    """Writes lines one after the other.

    A change leaves two: ``ACTION:asked`` before it, without which nothing is changed, so that no change is
    missing from a log whose disk is full; then ``ACTION:done`` with before and after, or ``ACTION:refused``.
    """

    audit: Audit = field(repr=False)
    reactor: Any = field(repr=False)
    _turn: DeferredLock = field(init=False, factory=DeferredLock, repr=False)
    _log: Logger = field(init=False, factory=Logger, repr=False)

    async def change(self, who: Identity, deed: Deed, make: Callable[[], Awaitable[Plain]]) -> Plain:
        """Make a change and write it down; what *make* gave. Raises what it raises, and Refused."""
        try:
            await self._write(who, deed, "asked", None, deed.asked)
        except OSError as error:
            self._log.error("the audit log cannot be written: {error}", error=error)
            raise Refused(f"nothing was changed: the audit log cannot be written ({error.strerror})") from None
        try:
            made = await make()
        except Exception as error:
            text = str(error) if isinstance(error, ControlError | Refused) else "internal failure"
            await self._afterwards(who, deed, "refused", None, {"error": text})
            raise
        before, after = (made.get("before"), made.get("after")) if isinstance(made, dict) else (None, made)
        if await self._afterwards(who, deed, "done", before, after) or not isinstance(made, dict):
            return made
        return made | {"warning": "the change was made, but its outcome could not be written to the audit log"}

    async def _afterwards(self, who: Identity, deed: Deed, outcome: str, before: Plain, after: Plain) -> bool:
        try:
            await self._write(who, deed, outcome, before, after)
        except Exception:
            self._log.failure("the audit log lacks the end of {action}", action=deed.action)
            return False
        return True

    async def _write(self, who: Identity, deed: Deed, outcome: str, before: Plain, after: Plain) -> None:
        action = f"{deed.action}:{outcome}"
        line = (who.actor, action, deed.target, before, after, who.origin, deed.tenant)
        await self._turn.run(self.in_thread, self.audit.write, *line)

    def in_thread(self, function: Callable[..., Plain], *arguments: Plain) -> Deferred[Plain]:
        """What *function* gives, the reactor not waiting for it."""
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), function, *arguments)
