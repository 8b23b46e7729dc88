"""Protocols through which the path of a query reports, so that it needs nothing of ``observe``."""

from __future__ import annotations

from typing import Protocol

from graydns.model.answer import Answer
from graydns.model.query import Query


class QueryObserver(Protocol):
    """Sees every pipeline answer with the time it took."""

    def answered(self, query: Query, answer: Answer, seconds: float) -> None:
        """One answer left the pipeline *seconds* after the query entered it."""


class Anomalies(Protocol):
    """Takes notes of odd things from the network: counted, and logged at most once a second per source."""

    def note(self, source: bytes, kind: str, detail: str = "") -> None:
        """*kind* is one of a bounded set of words; *detail* is escaped before it is logged."""
