"""AuditTrail: writes changes to the audit log, in a thread, as it waits for the disk."""

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
    """A change that a user asked for. *target*: what is changed. *tenant*: the tenant it belongs to, None = all."""

    action: str
    target: str
    arguments: dict[str, PlainValue]
    tenant: str | None


@define(eq=False)
class AuditTrail:
    """Writes lines, one at a time.

    A change has two: ``ACTION:asked`` before it, then ``ACTION:done`` with the values before and after, or
    ``ACTION:refused``. If the first cannot be written, nothing is changed: no change is missing from the log of a full
    disk.
    """

    audit: AuditSink = field(repr=False)
    reactor: Any = field(repr=False)
    _write_lock: DeferredLock = field(init=False, factory=DeferredLock, repr=False)
    _log: Logger = field(init=False, factory=Logger, repr=False)

    async def run_audited(
        self, identity: AdminIdentity, change: AuditedAction, make: Callable[[], Awaitable[PlainValue]]
    ) -> PlainValue:
        """Call *make* and log *change*. Returns the reply of *make*; raises what it raises, and AdminRefusedError."""
        try:
            await self._write(identity, change, "asked", None, change.arguments)
        except OSError as error:
            self._log.error("the audit log cannot be written: {error}", error=error)
            raise AdminRefusedError(
                f"nothing was changed: the audit log cannot be written ({error.strerror})"
            ) from None
        try:
            reply = await make()
        except Exception as error:
            text = str(error) if isinstance(error, ControlError | AdminRefusedError) else "internal failure"
            await self._write_outcome(identity, change, "refused", None, {"error": text})
            raise
        before, after = (reply.get("before"), reply.get("after")) if isinstance(reply, dict) else (None, reply)
        if await self._write_outcome(identity, change, "done", before, after) or not isinstance(reply, dict):
            return reply
        return reply | {"warning": "the change was made, but its outcome could not be written to the audit log"}

    async def _write_outcome(
        self, identity: AdminIdentity, change: AuditedAction, outcome: str, before: PlainValue, after: PlainValue
    ) -> bool:
        try:
            await self._write(identity, change, outcome, before, after)
        except Exception:
            self._log.failure("the audit log lacks the outcome of {action}", action=change.action)
            return False
        return True

    async def _write(
        self, identity: AdminIdentity, change: AuditedAction, outcome: str, before: PlainValue, after: PlainValue
    ) -> None:
        action = f"{change.action}:{outcome}"
        line = (identity.actor, action, change.target, before, after, identity.origin, change.tenant)
        await self._write_lock.run(self.defer_to_thread, self.audit.write, *line)

    def defer_to_thread(
        self, function: Callable[..., PlainValue], *arguments: PlainValue, **named: PlainValue
    ) -> Deferred[PlainValue]:
        """Call *function* in a thread of the reactor's pool."""
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), function, *arguments, **named)
