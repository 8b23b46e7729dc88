"""Query and Client: one parsed question and who asks it.

These are made for every question that is not a hot hit, so those that change from one to the next are NamedTuples,
which cost a fifth of what frozen attrs classes do; Edns is shared by all who write the same options.

Protocols through which the path of a query reports, so that it needs nothing of ``observe``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from attrs import frozen

from graydns.model.client import Client, Subnet

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from graydns.model.answer import Answer
    from graydns.model.decision import Decision


@frozen(eq=False)
class Edns:
    """The OPT record of a query (RFC 6891), options split but not yet trusted.

    *payload*: octets the client takes over UDP, at least 512. *subnet*: ECS (RFC 7871) as sent,
    with its *subnet_wire* (the option's data, for the echo). *cookie*: 8 to 40 octets (RFC 7873).
    *tags*: joined data of the 65001 options. *nsid*, *keepalive*, *padding*: option present.
    *options*: every option as (code, data), in order.
    """

    payload: int
    dnssec_ok: bool = False
    subnet: Subnet | None = None
    subnet_wire: bytes | None = None
    cookie: bytes | None = None
    tags: bytes | None = None
    nsid: bool = False
    keepalive: bool = False
    padding: bool = False
    options: tuple[tuple[int, bytes], ...] = ()


class Query(NamedTuple):
    """One parsed question with its client context.

    *wire*: the message as received. *question*: its question section, letter case kept. *qname*:
    the same name lowered (see ``model.name``). *tsig*: offset of a trailing TSIG record in *wire*,
    0 without one. *decision*: the Router's verdict, None until Route or the front has asked it; *plan*: the Plan it
    came from (``gray.plan``). *trace*: None but for a few queries of a name that somebody watches.
    """

    id: int
    wire: bytes
    question: bytes
    qname: bytes
    qtype: int
    qclass: int
    client: Client
    recursion_desired: bool = False
    checking_disabled: bool = False
    authentic_data: bool = False
    edns: Edns | None = None
    tsig: int = 0
    decision: Decision | None = None
    plan: object = None
    trace: QueryTrace | None = None

    @property
    def dnssec_ok(self) -> bool:
        """Whether DNSSEC records are asked for (RFC 3225)."""
        return self.edns is not None and self.edns.dnssec_ok

    def with_decision(self, decision: Decision, plan: object, trace: QueryTrace | None = None) -> Query:
        """The same with the Router's verdict. Written out: every miss needs it, and ``_replace`` costs twice it."""
        return Query(
            self.id,
            self.wire,
            self.question,
            self.qname,
            self.qtype,
            self.qclass,
            self.client,
            self.recursion_desired,
            self.checking_disabled,
            self.authentic_data,
            self.edns,
            self.tsig,
            decision,
            plan,
            trace,
        )


class QueryObserver(Protocol):
    """Sees every pipeline answer with the time it took."""

    def answered(self, query: Query, answer: Answer, seconds: float) -> Awaitable[None] | None:
        """One answer leaves the pipeline, *seconds* after its query came; what it has to wait for, None = nothing."""


class AnomalyRecorder(Protocol):
    """Takes notes of odd things from the network: counted, and logged at most once a second per source."""

    def note(self, source: bytes, kind: str, detail: str = "") -> None:
        """*kind* is one of a bounded set of words; *detail* is escaped before it is logged."""


class QueryTrace(Protocol):
    """Takes notes of one query on its way. *id*: 16 hexadecimal digits, by which other records tell of the same."""

    id: str

    def passed(self, stage: str, began: float, ended: float) -> None:
        """The query went into *stage* and came out of it, at these monotonic seconds."""

    def end(self, query: Query, answer: Answer) -> None:
        """The query, as it went into the pipeline, is answered."""


class QueryTracer(Protocol):
    """Begins Traces."""

    def begin(self, query: Query) -> QueryTrace | None:
        """A QueryTrace for *query*, whose name is watched; None if it is to go its usual way."""
