"""Traces: the stages that queries for a traced name passed, and their times. Costs nothing while no name is traced.

A query for a traced name is no hot hit: the frontend passes it to the pipeline with a QueryTrace. Of all traced names
together at most MAX_TRACES_PER_SECOND queries are traced; the others are answered as usual, so a busy name stays fast.
Also clients, decisions and times as plain values for --json.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from attrs import define, field

from graydns.fast.answer_log import DecisionSummary
from graydns.fast.frontend import Frontend
from graydns.model import name
from graydns.model.answer import Answer
from graydns.model.client import Client
from graydns.model.decision import Decision
from graydns.model.dns_parameters import format_rcode, format_rdtype
from graydns.model.errors import ControlError
from graydns.model.query import Query
from graydns.observe.answer_metrics import classify_stage

#: An object of JSON.
PlainData = dict[str, Any]


def format_timestamp(at: float) -> str:
    """A Unix time in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def client_to_plain(client: Client) -> PlainData:
    """A client; ``source`` is None where it is not known."""
    subnet = client.subnet
    return {
        "source": str(ip_address(client.source)) if client.source else None,
        "transport": client.transport.name,
        "subnet": None if subnet is None else f"{ip_address(subnet.address)}/{subnet.prefix}",
        "identity": client.identity,
        "tags": dict(client.tags),
        "tenant": client.tenant,
    }


def decision_to_plain(decision: Decision | DecisionSummary | None, tenant: str) -> PlainData:
    """A decision; *tenant*: the client's, where there is none."""
    if decision is None:
        return {"tenant": tenant, "service": "", "outcome": "", "endpoint": "", "why": "nothing was decided"}
    cohort = decision.cohort
    return {
        "tenant": cohort.tenant,
        "service": cohort.service,
        "outcome": cohort.outcome,
        "endpoint": cohort.endpoint,
        "why": decision.why,
    }


#: Names traced at once.
MAX_TRACED_NAMES = 16

#: Queries stored of each.
MAX_TRACES_PER_NAME = 256

#: Seconds for which a name is traced.
TRACE_DURATION_SECONDS = 600.0

#: Queries traced in a second.
MAX_TRACES_PER_SECOND = 50


@define(eq=False)
class RecordedTrace:
    """Implements ``model.query.QueryTrace``. *at*: Unix seconds, *began*: monotonic seconds. *records*: of its name."""

    id: str
    at: float
    began: float
    clock: Callable[[], float] = field(repr=False)
    records: deque[PlainData] = field(repr=False)
    _stages: list[tuple[str, float, float]] = field(init=False, factory=list)

    def passed(self, stage: str, began: float, ended: float) -> None:
        """Add a stage."""
        self._stages.append((stage, began, ended))

    def end(self, query: Query, answer: Answer) -> None:
        """Store the trace."""
        ended = self.clock()
        self.records.append(
            {
                "trace_id": self.id,
                "at": format_timestamp(self.at),
                "name": name.to_text(query.qname),
                "type": format_rdtype(query.qtype),
                "client": client_to_plain(query.client),
                **decision_to_plain(query.decision, query.client.tenant),
                "rcode": format_rcode(answer.rcode),
                "from": classify_stage(query, answer, self.began),
                "answer": answer.why,
                "ms": _to_milliseconds(ended - self.began),
                "stages": [
                    {
                        "stage": stage,
                        "at_ms": _to_milliseconds(began - self.began),
                        "ms": _to_milliseconds(ended - began),
                    }
                    for stage, began, ended in sorted(self._stages, key=lambda each: (each[1], -each[2]))
                ],
            }
        )


@define(eq=False)
class TracedName:
    """A name that is traced, *until* a monotonic time."""

    until: float
    records: deque[PlainData] = field(factory=lambda: deque(maxlen=MAX_TRACES_PER_NAME), repr=False)


@define(eq=False)
class TraceRecorder:
    """Implements ``model.query.QueryTracer`` for *front*. *clock*: monotonic seconds; *wall*: Unix seconds.

    Its owner calls :meth:`tick` every second.
    """

    front: Frontend = field(repr=False)
    clock: Callable[[], float] = field(repr=False)
    wall: Callable[[], float] = field(repr=False)
    _names: dict[bytes, TracedName] = field(init=False, factory=dict)
    _remaining: int = field(init=False, default=MAX_TRACES_PER_SECOND)

    def watch(self, text: str, on: bool) -> PlainData:
        """Begin or end tracing a name; its traces stay until it is traced again. Raises ControlError."""
        qname = _parse_name(text)
        before = qname in self._traced_now()
        if not on:
            if (known := self._names.get(qname)) is not None:
                known.until = self.clock()
        elif qname not in self._names and len(self._traced_now()) >= MAX_TRACED_NAMES:
            raise ControlError(f"{MAX_TRACED_NAMES} names are watched already")
        else:
            self._remove_oldest()
            self._names[qname] = TracedName(self.clock() + TRACE_DURATION_SECONDS)
        self.tick()
        return {
            "name": name.to_text(qname),
            "before": {"watched": before},
            "after": {"watched": on},
            "seconds": TRACE_DURATION_SECONDS if on else 0.0,
            "names": self.names(),
        }

    def last(self, text: str, last: int = 20) -> list[PlainData]:
        """The *last* queries for a name, oldest first; empty if it was never traced. Raises ControlError."""
        known = self._names.get(_parse_name(text))
        return [] if known is None or last <= 0 else list(known.records)[-last:]

    def names(self) -> list[str]:
        """The names that are traced now."""
        return [name.to_text(qname) for qname in self._traced_now()]

    def tick(self) -> None:
        """Allow another MAX_TRACES_PER_SECOND traces, and end tracing of names whose time is over."""
        self._remaining = MAX_TRACES_PER_SECOND
        names = frozenset(self._traced_now())
        self.front.trace(names, self if names else None)

    def begin(self, query: Query) -> RecordedTrace | None:
        """A trace for a query that was just received."""
        known = self._names.get(query.qname)
        if known is None or self._remaining <= 0:
            return None
        self._remaining -= 1
        if not self._remaining:
            self.front.trace(frozenset(), self)  # until the next tick
        return RecordedTrace(secrets.token_hex(8), self.wall(), self.clock(), self.clock, known.records)

    def _traced_now(self) -> list[bytes]:
        now = self.clock()
        return [qname for qname, watched in self._names.items() if watched.until > now]

    def _remove_oldest(self) -> None:
        """Make room for one more among those that are no longer traced."""
        if len(self._names) >= 2 * MAX_TRACED_NAMES:
            active = set(self._traced_now())
            del self._names[next(qname for qname in self._names if qname not in active)]


def _parse_name(text: str) -> bytes:
    try:
        return name.from_text(text)
    except ValueError as error:
        raise ControlError(str(error)) from None


def _to_milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
