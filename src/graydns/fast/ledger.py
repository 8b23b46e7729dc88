"""Ledger: what is written down of the answers that left.

Of a hot answer, no more than its Tally counts; and a Peer and its Clients keep the query. The Router is pure, so
whoever wants to know what somebody was told, and why, can work that out. Of the others the last are kept as they were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from attrs import define, field

from graydns.fast.clients import NOBODY
from graydns.fast.sketch import key_of, see
from graydns.fast.tally import Tallies, Tally
from graydns.model.decision import Cohort, Decision
from graydns.model.query import Client, Query

#: Answers remembered.
MOST = 4096

PARSED, PIPELINE = "parsed", "pipeline"

_BADVERS = 16


class Verdict(NamedTuple):
    """What is kept of a Decision, which itself would keep the Snapshot that it came from."""

    cohort: Cohort
    why: str


class Told(NamedTuple):
    """An answer that the hot table did not give at once.

    *at*: Unix seconds. *way*: PARSED or PIPELINE. *verdict*: None where nothing was decided. *why*: of the Answer.
    """

    at: float
    client: Client
    qname: bytes
    qtype: int
    rcode: int
    verdict: Verdict | None
    way: str
    why: str


@define(eq=False)
class Ledger:
    """*tallies*: all of them. *told*: the last answers, oldest first. *wall*: Unix seconds. *silent*: messages that
    got no answer."""

    wall: Callable[[], float] = field(repr=False)
    tallies: Tallies = field(init=False, factory=Tallies, repr=False)
    told: deque[Told] = field(init=False, factory=lambda: deque(maxlen=MOST), repr=False)
    silent: int = field(init=False, default=0)

    def note(self, query: Query, decision: Decision | None, rcode: int, way: str, why: str) -> Tally:
        """Write down an answer that is no hot hit; gives the Tally to count it in."""
        client = query.client
        tally = self.tallies.of(rcode, decision, client.tenant)
        if tally.clients is not NOBODY:
            see(tally.clients.registers, key_of(client))
        verdict = None if decision is None else Verdict(decision.cohort, decision.why)
        self.told.append(Told(self.wall(), client, query.qname, query.qtype, rcode, verdict, way, why))
        return tally

    def unanswerable(self, reply: bytes | None, tenant: str) -> None:
        """Count a message that could not be parsed, and its *reply*."""
        if reply is None:
            self.silent += 1
        else:
            # The header has the low four bits of the rcode; of BADVERS, the only longer one here, none is set.
            self.tallies.of(reply[3] & 15 or _BADVERS, None, tenant).parsed += 1
