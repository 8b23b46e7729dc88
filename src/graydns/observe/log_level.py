"""The log level, changed while the server runs."""

from __future__ import annotations

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    LogPublisher,
    globalLogPublisher,
)


class LogLevelControl:
    """Filters what goes to the observers that *publisher* has when :meth:`install` is called."""

    def __init__(self, publisher: LogPublisher = globalLogPublisher) -> None:
        self._publisher = publisher
        self._predicate = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
        self._level = "info"

    def install(self) -> None:
        """Put the filter in front of the present observers."""
        for observer in tuple(self._publisher._observers):
            self._publisher.removeObserver(observer)
            self._publisher.addObserver(FilteringLogObserver(observer, [self._predicate]))  # type: ignore[arg-type,list-item]

    def __call__(self, level: str) -> str:
        """Log *level* (debug, info, warn, error, critical) and above; returns the level before. Raises ValueError."""
        try:
            constant = LogLevel.levelWithName(level)
        except Exception:
            names = ", ".join(each.name for each in LogLevel.iterconstants())
            raise ValueError(f"{level!r} is no level: expected one of {names}") from None
        before, self._level = self._level, level
        self._predicate.setLogLevelForNamespace("", constant)
        return before
