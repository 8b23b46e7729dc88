"""Trail: what the admin interface writes to the audit log. Never on the reactor's thread: it waits for the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from graydns.admin.authentication import AdminIdentity
from graydns.admin.pb_security import AdminRefusedError, PlainValue
from graydns.model.errors import ControlError


class AuditSink(Protocol):
    """Writes lines to the audit log."""

    def write(
        self,
        actor: str,
        action: str,
        target: str,
        before: PlainValue,
        after: PlainValue,
        origin: str,
        tenant: str | None,
    ) -> None:
        """Append one line; it is on the disk when this returns. Raises OSError. Called in a thread."""


@frozen
class AuditedAction:
    """What somebody is about to change. *asked*: with what arguments. *tenant*: whose it is, None = everybody's."""

    action: str
    target: str
    arguments: dict[str, PlainValue]
    tenant: str | None


@define(eq=False)
class AuditTrail:
    """Writes lines one after the other.

    A change leaves two: ``ACTION:asked`` before it, without which nothing is changed, so that no change is
    missing from a log whose disk is full; then ``ACTION:done`` with before and after, or ``ACTION:refused``.
    """

    audit: AuditSink = field(repr=False)
    reactor: Any = field(repr=False)
    _write_lock: DeferredLock = field(init=False, factory=DeferredLock, repr=False)
    _log: Logger = field(init=False, factory=Logger, repr=False)

    async def run_audited(
        self, who: AdminIdentity, deed: AuditedAction, make: Callable[[], Awaitable[PlainValue]]
    ) -> PlainValue:
        """Make a change and write it down; what *make* gave. Raises what it raises, and AdminRefusedError."""
        try:
            await self._write(who, deed, "asked", None, deed.arguments)
        except OSError as error:
            self._log.error("the audit log cannot be written: {error}", error=error)
            raise AdminRefusedError(
                f"nothing was changed: the audit log cannot be written ({error.strerror})"
            ) from None
        try:
            made = await make()
        except Exception as error:
            text = str(error) if isinstance(error, ControlError | AdminRefusedError) else "internal failure"
            await self._write_outcome(who, deed, "refused", None, {"error": text})
            raise
        before, after = (made.get("before"), made.get("after")) if isinstance(made, dict) else (None, made)
        if await self._write_outcome(who, deed, "done", before, after) or not isinstance(made, dict):
            return made
        return made | {"warning": "the change was made, but its outcome could not be written to the audit log"}

    async def _write_outcome(
        self, who: AdminIdentity, deed: AuditedAction, outcome: str, before: PlainValue, after: PlainValue
    ) -> bool:
        try:
            await self._write(who, deed, outcome, before, after)
        except Exception:
            self._log.failure("the audit log lacks the end of {action}", action=deed.action)
            return False
        return True

    async def _write(
        self, who: AdminIdentity, deed: AuditedAction, outcome: str, before: PlainValue, after: PlainValue
    ) -> None:
        action = f"{deed.action}:{outcome}"
        line = (who.actor, action, deed.target, before, after, who.origin, deed.tenant)
        await self._write_lock.run(self.defer_to_thread, self.audit.write, *line)

    def defer_to_thread(
        self, function: Callable[..., PlainValue], *arguments: PlainValue, **named: PlainValue
    ) -> Deferred[PlainValue]:
        """Call *function* in a thread of the reactor's pool."""
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), function, *arguments, **named)
