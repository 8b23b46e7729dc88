"""Anomalies in network traffic: all are counted, and each source gets at most one log line a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address

from attrs import define, field
from twisted.logger import Logger

#: Sources whose last line is remembered. When full, all are forgotten, which costs at most a few lines more.
MAX_TRACKED_SOURCES = 4096

#: Lines a second over all sources, so that forged sources cannot fill a disk.
MAX_LINES_PER_SECOND = 20


@define(eq=False)
class AnomalyLog:
    """Implements ``model.observe.Anomalies``. *clock*: monotonic seconds."""

    clock: Callable[[], float] = field(repr=False)
    counts: Counter[str] = field(init=False, factory=Counter)
    _log: Logger = field(init=False, factory=Logger, repr=False)
    _said: dict[bytes, int] = field(init=False, factory=dict, repr=False)
    _second: int = field(init=False, default=0, repr=False)
    _lines: int = field(init=False, default=0, repr=False)

    def note(self, source: bytes, kind: str, detail: str = "") -> None:
        """Count *kind*, and log it unless this source has had its line, or all sources their lines, of this second."""
        self.counts[kind] += 1
        second = int(self.clock())
        if second != self._second:
            self._second, self._lines = second, 0
        if self._lines >= MAX_LINES_PER_SECOND or self._said.get(source) == second:
            return
        if len(self._said) >= MAX_TRACKED_SOURCES:
            self._said.clear()
        self._said[source] = second
        self._lines += 1
        self._log.info(
            "{kind} from {source}: {detail}",
            kind=kind,
            source=str(ip_address(source)),
            detail=detail.encode("unicode_escape").decode("ascii"),
        )
