"""Auditing: the audit log of a running server, what is written into it, and its Head, which is published hourly."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from graydns.config.audit import WAIT
from graydns.config.main import Config
from graydns.model.errors import ConfigError, Fault
from graydns.model.observe import QueryObserver
from graydns.observe.audit.log import AuditLog, Bounds
from graydns.observe.audit.queue import Queue
from graydns.observe.audit.seal import Head, Seal, load_key
from graydns.observe.audit.start import has_sealed
from graydns.observe.audit.writer import AuditWriter
from graydns.observe.validations import Validation, Validations, fields

#: Seconds between two Heads that are published.
HOUR = 3600.0

#: The log of changes in ``data`` while there is no ``audit``.
_CHANGES = "audit.log"

#: Puts the text of a Head where it can be read later; gives what was there before.
Publish = Callable[[bytes], Awaitable[bytes | None]]


@frozen
class AuditFigures:
    """*lines* of answers that were written, *dropped* by reason, *queued* now; *failures*: see ``AuditLog``."""

    lines: int
    dropped: Mapping[str, int]
    queued: int
    failures: int


class Auditing(Service):
    """Keeps *log*. *writer*: of answers, None = they are not written. *publish*: elsewhere, None = there is none."""

    name = "audit"
    _log = Logger()

    def __init__(self, log: AuditLog, writer: AuditWriter[Validation] | None, reactor: Any) -> None:
        self.log = log
        self.publish: Publish | None = None
        self._writer = writer
        self._reactor = reactor
        self._published = Head()
        self._hourly = LoopingCall(self._publish)
        self._hourly.clock = reactor

    def figures(self) -> AuditFigures:
        """For metrics."""
        if (writer := self._writer) is None:
            return AuditFigures(0, {}, 0, self.log.failures)
        dropped = {"queue": writer.queue.dropped, "disk": writer.lost}
        return AuditFigures(writer.written, dropped, len(writer.queue), self.log.failures)

    def startService(self) -> None:
        """Begin to write and to publish."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._writer is not None:
            self._writer.start()
        self._hourly.start(HOUR)

    def stopService(self) -> Deferred[None]:
        """Write what is left, and publish that on this machine."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._hourly.running:
            self._hourly.stop()
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        if self._writer is not None:
            await self._in_thread(self._writer.stop)
        # Elsewhere at the next start: connections end now, too.
        self.publish = None
        await self._publish()

    async def _publish(self) -> None:
        """Publish the Head if it is another one. Raises nothing: the next hour has another."""
        if self.log.head == self._published:
            return
        try:
            head, text = await self._in_thread(self.log.publish)
            self._log.info("audit head: line {number}, {hmac}", number=head.number, hmac=head.hmac)
            before = None if self.publish is None else await self.publish(text)
            self._published = head
            if before is not None:
                await self._in_thread(partial(self.log.recall, before))
        except Exception as error:
            self._log.error("the audit head cannot be published: {error}", error=error)

    def _in_thread(self, call: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call)


def open_auditing(config: Callable[[], Config], observers: list[QueryObserver], reactor: Any) -> Auditing:
    """The audit log as *config* has it. Answers are observed through *observers*. Raises ConfigError."""
    began = config()
    audit, data = began.audit, began.data

    def bounds() -> Bounds:
        # Live for changes only; `audit` waits for a restart.
        if audit is not None:
            return Bounds(audit.max_size, audit.keep, daily=True)
        now = config().admin_audit
        return Bounds(now.max_size, now.keep)

    path, key = data / _CHANGES if audit is None else audit.file, data / "audit.key"
    at = data
    try:
        at = key
        # The same key for the log of changes that a server without `audit` has written before.
        seal = Seal(load_key(key, has_sealed(path) or has_sealed(data / _CHANGES)))
        at = path
        path.parent.mkdir(parents=True, exist_ok=True)
        log = AuditLog(path, seal, time.time, bounds)
    except (OSError, ValueError) as error:
        where = ("data",) if audit is None or at == key else ("audit", "file")
        found = f"{at} ({getattr(error, 'strerror', None) or error})"
        as_left = "what graydns has left there, or the whole log moved away with its head"
        expected = as_left if isinstance(error, ValueError) else "a file that graydns may write to, or made"
        fault = Fault(where, found, expected)
        raise ConfigError([began.document.locate(fault)]) from error
    if audit is None:
        return Auditing(log, None, reactor)
    queue: Queue[Validation] = Queue(reactor, audit.on_full == WAIT)
    observers.append(Validations(queue, time.monotonic, time.time))
    return Auditing(log, AuditWriter(log, queue, partial(fields, prefix=audit.client_prefix)), reactor)
