"""Anomalies in network traffic: all are counted, and each source gets at most one log line a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address

from attrs import define, field
from twisted.logger import Logger

from graydns.runtime.token_bucket import TokenBucket

#: Sources whose last line is remembered. When full, the table is cleared, which costs at most a few lines more.
MAX_TRACKED_SOURCES = 4096

#: Lines a second over all sources, so that forged sources cannot fill a disk.
MAX_LINES_PER_SECOND = 20


@define(eq=False)
class AnomalyLog:
    """Implements ``model.query.AnomalyRecorder``. *clock*: monotonic seconds."""

    clock: Callable[[], float] = field(repr=False)
    counts: Counter[str] = field(init=False, factory=Counter)
    _log: Logger = field(init=False, factory=Logger, repr=False)
    _logged_at: dict[bytes, int] = field(init=False, factory=dict, repr=False)
    _lines: TokenBucket = field(init=False, factory=lambda: TokenBucket(MAX_LINES_PER_SECOND), repr=False)

    def note(self, source: bytes, kind: str, detail: str = "") -> None:
        """Count *kind*; log it unless this source has had a line in this second or all together are over the limit."""
        self.counts[kind] += 1
        now = self.clock()
        second = int(now)
        if self._logged_at.get(source) == second or not self._lines.try_consume(now):
            return
        if len(self._logged_at) >= MAX_TRACKED_SOURCES:
            self._logged_at.clear()
        self._logged_at[source] = second
        self._log.info(
            "{kind} from {source}: {detail}",
            kind=kind,
            source=str(ip_address(source)),
            detail=detail.encode("unicode_escape").decode("ascii"),
        )
