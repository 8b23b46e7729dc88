"""Trace: the stages that queries for a watched name passed, and their times. Costs nothing while no name is watched.

A query for a watched name is no hot hit: the front hands it to the pipeline with a Trace. Of all watched names together
at most PER_SECOND are followed; the others go their usual way, so a name that is much asked for stays fast.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable

from attrs import define, field

from graydns.fast.front import Front
from graydns.model import name
from graydns.model.answer import Answer
from graydns.model.errors import ControlError
from graydns.model.query import Query
from graydns.observe.latency import stage_of
from graydns.observe.render import Plain, show_client, show_decision, show_rcode, show_time, show_type

#: Names watched at once.
NAMES = 16

#: Queries remembered of each.
KEPT = 256

#: Seconds for which a name is watched.
LASTING = 600.0

#: Queries followed in a second.
PER_SECOND = 50


@define(eq=False)
class Followed:
    """Implements ``model.observe.Trace``. *at*: Unix seconds, *began*: monotonic ones. *kept*: those of its name."""

    id: str
    at: float
    began: float
    clock: Callable[[], float] = field(repr=False)
    kept: deque[Plain] = field(repr=False)
    _stages: list[tuple[str, float, float]] = field(init=False, factory=list)

    def passed(self, stage: str, began: float, ended: float) -> None:
        """Note a stage."""
        self._stages.append((stage, began, ended))

    def end(self, query: Query, answer: Answer) -> None:
        """Keep the whole."""
        ended = self.clock()
        self.kept.append(
            {
                "trace_id": self.id,
                "at": show_time(self.at),
                "name": name.to_text(query.qname),
                "type": show_type(query.qtype),
                "client": show_client(query.client),
                **show_decision(query.decision, query.client.tenant),
                "rcode": show_rcode(answer.rcode),
                "from": stage_of(query, answer, self.began),
                "answer": answer.why,
                "ms": _ms(ended - self.began),
                "stages": [
                    {"stage": stage, "at_ms": _ms(began - self.began), "ms": _ms(ended - began)}
                    for stage, began, ended in sorted(self._stages, key=lambda each: (each[1], -each[2]))
                ],
            }
        )


@define(eq=False)
class Watched:
    """A name that is watched. *until*: monotonic seconds."""

    until: float
    kept: deque[Plain] = field(factory=lambda: deque(maxlen=KEPT), repr=False)


@define(eq=False)
class TraceBook:
    """Implements ``model.observe.Tracer`` for *front*. *clock*: monotonic seconds; *wall*: Unix seconds.

    Whoever owns it calls :meth:`tick` every second.
    """

    front: Front = field(repr=False)
    clock: Callable[[], float] = field(repr=False)
    wall: Callable[[], float] = field(repr=False)
    _names: dict[bytes, Watched] = field(init=False, factory=dict)
    _left: int = field(init=False, default=PER_SECOND)

    def watch(self, text: str, on: bool) -> Plain:
        """Begin or end watching a name; what was seen stays until it is watched again. Raises ControlError."""
        qname = _read_name(text)
        before = qname in self._active()
        if not on:
            if (known := self._names.get(qname)) is not None:
                known.until = self.clock()
        elif qname not in self._names and len(self._active()) >= NAMES:
            raise ControlError(f"{NAMES} names are watched already")
        else:
            self._forget_oldest()
            self._names[qname] = Watched(self.clock() + LASTING)
        self.tick()
        return {
            "name": name.to_text(qname),
            "before": {"watched": before},
            "after": {"watched": on},
            "seconds": LASTING if on else 0.0,
            "names": self.names(),
        }

    def last(self, text: str, last: int = 20) -> list[Plain]:
        """The *last* queries for a name, oldest first; empty if it was never watched. Raises ControlError."""
        known = self._names.get(_read_name(text))
        return [] if known is None or last <= 0 else list(known.kept)[-last:]

    def names(self) -> list[str]:
        """The names that are watched now."""
        return [name.to_text(qname) for qname in self._active()]

    def tick(self) -> None:
        """Let another PER_SECOND queries be followed, and stop watching what was watched long enough."""
        self._left = PER_SECOND
        self.front.watched = frozenset(self._active())
        self.front.tracer = self if self.front.watched else None

    def begin(self, query: Query) -> Followed | None:
        """A Trace for a query that has just come in."""
        known = self._names.get(query.qname)
        if known is None or self._left <= 0:
            return None
        self._left -= 1
        if not self._left:
            self.front.watched = frozenset()  # up to the next tick
        return Followed(secrets.token_hex(8), self.wall(), self.clock(), self.clock, known.kept)

    def _active(self) -> list[bytes]:
        now = self.clock()
        return [qname for qname, watched in self._names.items() if watched.until > now]

    def _forget_oldest(self) -> None:
        """Make room for one more among those that are no longer watched."""
        if len(self._names) >= 2 * NAMES:
            active = set(self._active())
            del self._names[next(qname for qname in self._names if qname not in active)]


def _read_name(text: str) -> bytes:
    try:
        return name.from_text(text)
    except ValueError as error:
        raise ControlError(str(error)) from None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
