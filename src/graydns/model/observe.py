"""Protocols through which the path of a query reports, so that it needs nothing of ``observe``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from graydns.model.answer import Answer
    from graydns.model.query import Query


class QueryObserver(Protocol):
    """Sees every pipeline answer with the time it took."""

    def answered(self, query: Query, answer: Answer, seconds: float) -> Awaitable[None] | None:
        """One answer leaves the pipeline, *seconds* after its query came; what it has to wait for, None = nothing."""


class Anomalies(Protocol):
    """Takes notes of odd things from the network: counted, and logged at most once a second per source."""

    def note(self, source: bytes, kind: str, detail: str = "") -> None:
        """*kind* is one of a bounded set of words; *detail* is escaped before it is logged."""


class Trace(Protocol):
    """Takes notes of one query on its way. *id*: 16 hexadecimal digits, by which other records tell of the same."""

    id: str

    def passed(self, stage: str, began: float, ended: float) -> None:
        """The query went into *stage* and came out of it, at these monotonic seconds."""

    def end(self, query: Query, answer: Answer) -> None:
        """The query, as it went into the pipeline, is answered."""


class Tracer(Protocol):
    """Begins Traces."""

    def begin(self, query: Query) -> Trace | None:
        """A Trace for *query*, whose name is watched; None if it is to go its usual way."""
