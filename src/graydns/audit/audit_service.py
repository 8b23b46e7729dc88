"""The audit log as a service: it writes validations and publishes the head of the log every hour."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import AuditHead, HmacChain, load_audit_key
from graydns.audit.line_queue import LineQueue
from graydns.audit.line_writer import AuditWriter
from graydns.audit.recovery import has_sealed_lines
from graydns.audit.validation_lines import ValidationLine, ValidationLineObserver, format_validation_fields
from graydns.config.settings import WAIT_WHEN_FULL, Config
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.query import QueryObserver
from graydns.runtime.twisted_types import Service

#: Seconds between two publications of the head.
HEAD_PUBLISH_INTERVAL_SECONDS = 3600.0

#: The log of changes in ``data`` while there is no ``audit``.
_CHANGE_LOG_FILE = "audit.log"

#: Publishes the text of a head; returns the one published before, if any.
PublishHead = Callable[[bytes], Awaitable[bytes | None]]


@frozen
class AuditFigures:
    """*lines* of answers that were written, *dropped* by reason, *queued* now; *failures*: see ``AuditLog``."""

    lines: int
    dropped: Mapping[str, int]
    queued: int
    failures: int


class AuditService(Service):
    """Runs *log*. *writer*: of validations, None = they are not written. *publish*: publishes heads elsewhere, None =
    only on this machine."""

    name = "audit"
    _log = Logger()

    def __init__(
        self,
        log: AuditLog,
        writer: AuditWriter[ValidationLine] | None,
        reactor: Any,
        publish: PublishHead | None = None,
    ) -> None:
        self.log = log
        self._publish = publish
        self._writer = writer
        self._reactor = reactor
        self._published_head = AuditHead()
        self._head_timer = LoopingCall(self._publish_head)
        self._head_timer.clock = reactor

    def figures(self) -> AuditFigures:
        """The figures for metrics."""
        if (writer := self._writer) is None:
            return AuditFigures(0, {}, 0, self.log.failures)
        dropped = {"queue": writer.queue.dropped, "disk": writer.lost}
        return AuditFigures(writer.written, dropped, len(writer.queue), self.log.failures)

    def startService(self) -> None:
        """Start writing and publishing."""
        super().startService()
        if self._writer is not None:
            self._writer.start()
        self._head_timer.start(HEAD_PUBLISH_INTERVAL_SECONDS)

    def stopService(self) -> Deferred[None]:
        """Write what is queued, and publish the head on this machine."""
        super().stopService()
        if self._head_timer.running:
            self._head_timer.stop()
        return Deferred.fromCoroutine(self._shut_down())

    async def _shut_down(self) -> None:
        if self._writer is not None:
            await self._in_thread(self._writer.stop)
        # Elsewhere at the next start: connections are closing now.
        self._publish = None
        await self._publish_head()

    async def _publish_head(self) -> None:
        """Publish the head if it has changed. Errors are logged; the next attempt is in an hour."""
        if self.log.head == self._published_head:
            return
        try:
            head, text = await self._in_thread(self.log.publish)
            self._log.info("audit head: line {number}, {hmac}", number=head.number, hmac=head.hmac)
            before = None if self._publish is None else await self._publish(text)
            self._published_head = head
            if before is not None:
                await self._in_thread(partial(self.log.check_published_head, before))
        except Exception as error:
            self._log.error("the audit head cannot be published: {error}", error=error)

    def _in_thread(self, call: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call)


def open_audit_service(
    config: Callable[[], Config], observers: list[QueryObserver], reactor: Any, publish: PublishHead | None = None
) -> AuditService:
    """The audit log by *config*. A QueryObserver is added to *observers*. *publish*: publishes heads, None = only in
    the data folder. Raises ConfigError."""
    began = config()
    audit, data = began.audit, began.data

    def bounds() -> AuditLogBounds:
        # Applied at once for the log of changes; `audit` takes effect at a restart.
        if audit is not None:
            return AuditLogBounds(audit.max_size, audit.keep, daily=True)
        now = config().admin_audit
        return AuditLogBounds(now.max_size, now.keep)

    path, key = data / _CHANGE_LOG_FILE if audit is None else audit.file, data / "audit.key"
    at = data
    try:
        at = key
        # The same key for the log of changes that a server without `audit` has written before.
        seal = HmacChain(load_audit_key(key, has_sealed_lines(path) or has_sealed_lines(data / _CHANGE_LOG_FILE)))
        at = path
        path.parent.mkdir(parents=True, exist_ok=True)
        log = AuditLog(path, seal, time.time, bounds)
    except (OSError, ValueError) as error:
        where = ("data",) if audit is None or at == key else ("audit", "file")
        found = f"{at} ({getattr(error, 'strerror', None) or error})"
        as_left = "the file as graydns left it, or the whole log moved away with its head"
        expected = as_left if isinstance(error, ValueError) else "a file that graydns may create or write to"
        fault = ConfigIssue(where, found, expected)
        raise ConfigError([began.document.locate(fault)]) from error
    if audit is None:
        return AuditService(log, None, reactor, publish)
    queue: LineQueue[ValidationLine] = LineQueue(reactor, audit.on_full == WAIT_WHEN_FULL)
    observers.append(ValidationLineObserver(queue, time.monotonic, time.time))
    return AuditService(
        log, AuditWriter(log, queue, partial(format_validation_fields, prefix=audit.client_prefix)), reactor, publish
    )
