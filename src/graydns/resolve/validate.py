"""Validate: every forwarded answer is secure, provably insecure, or refused (RFC 4035 section 4).

It asks only what is below it, and there for signed and unvalidated data: what it makes of them is its own opinion.
Whoever sets CD wants his own and gets what is below (RFC 4035 section 3.2.2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from typing import Any, TypeVar

from attrs import evolve, field, frozen
from dns.rdatatype import RdataType

from graydns.dnssec.anchors import Anchors, Negatives
from graydns.dnssec.budget import Budget, Exceeded
from graydns.dnssec.chain import Walk
from graydns.dnssec.signature import Settings
from graydns.dnssec.steps import Step
from graydns.dnssec.validator import Verdict, validate
from graydns.dnssec.zones import Zones
from graydns.model.answer import Answer
from graydns.model.errors import ResolveError, UpstreamError
from graydns.model.name import to_text
from graydns.model.proof import EdeCode, Proof, Security
from graydns.model.query import Edns, Query
from graydns.model.rrtype import IN
from graydns.resolve.failures import Failures
from graydns.resolve.flight import Flight
from graydns.resolve.key import Key
from graydns.resolve.link import Resolver
from graydns.resolve.pace import Pace
from graydns.resolve.validated import validated
from graydns.resolve.workers import Workers
from graydns.wire.edns import DEFAULT_PAYLOAD
from graydns.wire.header import QUESTION

T = TypeVar("T")


#: Who waited so often for somebody that gave up finds out for himself; else many would wait in line, and each failure
#: would wake all who are left.
MOST_JOINED = 2

#: What the upstream is asked with, besides CD: DO.
SIGNED = Edns(DEFAULT_PAYLOAD, dnssec_ok=True)


@frozen
class Policy:
    """What is believed. *negatives*: as they are now; *wall*: Unix seconds of signatures, fixed for forensics."""

    settings: Settings
    anchors: Anchors
    negatives: Callable[[], Negatives] = field(repr=False)
    wall: Callable[[], float] = field(repr=False)


@frozen
class Validate:
    """Ask *below* and judge what it says.

    *zones*: what is known of zones in the part of the memory that a query may use. *key*: the question of a client, and
    *failures* what came of it lately. *forget*: have the next asking of this question be a new one. *asked*: questions
    for keys, by type. *clock*: monotonic.
    """

    below: Resolver
    policy: Policy = field(kw_only=True)
    zones: Callable[[Query], Zones] = field(kw_only=True, repr=False)
    key: Callable[[Query], Key] = field(kw_only=True, repr=False)
    failures: Failures = field(kw_only=True, repr=False)
    forget: Callable[[Query], None] = field(kw_only=True, repr=False)
    workers: Workers = field(kw_only=True, repr=False)
    pace: Pace = field(kw_only=True, repr=False)
    asked: Counter[int] = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(kw_only=True, repr=False)
    flights: dict[Hashable, Flight[Any]] = field(init=False, factory=dict, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer with its Proof. Raises ResolveError, with a Proof too, where it is bogus or cannot be judged."""
        if query.checking_disabled or query.qclass != IN:
            return await self.below.resolve(query)
        key = self.key(query)
        if (failure := self.failures.find(key, self.clock())) is not None:
            raise failure
        asked = query._replace(edns=SIGNED, checking_disabled=True)
        try:
            answer = await self.below.resolve(asked)
            await self.pace.pause()
            while True:
                negatives = self.policy.negatives()
                verdict = await self.judge(asked, answer, self.zones(query), negatives)
                if self.policy.negatives() == negatives:
                    break  # else an operator has meanwhile said what to believe, and would be overruled
        except ResolveError as error:
            unjudged = Proof(Security.INDETERMINATE, reason=error.text, ede=error.ede, since=error.since)
            raise evolve(error, proof=unjudged) from None
        verdict = evolve(verdict, proof=evolve(verdict.proof, since=answer.stored))
        if verdict.proof.security is not Security.BOGUS:
            return validated(query, answer, verdict, self._lasts(answer, verdict.proof))
        self.forget(asked)
        bogus = refusal(verdict.proof)
        self.failures.add(key, bogus, self.clock())
        raise bogus

    def _lasts(self, answer: Answer, proof: Proof) -> int | None:
        """Seconds since *answer* came until the first of the signatures that it rests on expires."""
        if proof.until is None:
            return None
        age = 0.0 if answer.stored is None else self.clock() - answer.stored
        return max(0, int(proof.until - self.policy.wall() + age))

    async def judge(
        self, asked: Query, answer: Answer, zones: Zones, negatives: Negatives, steps: list[Step] | None = None
    ) -> Verdict:
        """The Verdict on *answer* to *asked*; what leads to it is noted in *steps*. Raises ResolveError."""
        policy = self.policy
        now = int(policy.wall())
        walk = Walk(
            source=_Below(self, asked, zones),
            settings=policy.settings,
            anchors=policy.anchors,
            negatives=negatives,
            zones=zones,
            budget=Budget(policy.settings.limits),
            now=now,
            clock=self.clock(),
            steps=steps,
        )
        return await validate(walk, asked.qname, asked.qtype, answer)


def refusal(proof: Proof) -> ResolveError:
    """What the client of a bogus answer is told."""
    return ResolveError(proof.reason, ede=proof.ede or EdeCode.BOGUS, proof=proof)


@frozen
class _Below:
    """The Source of what is needed to judge the answer to *query*: the same upstreams, told nothing of the client."""

    link: Validate
    query: Query
    zones: Zones

    async def ask(self, name: bytes, rdtype: int) -> Answer:
        """See ``Source``."""
        self.link.asked[rdtype] += 1
        try:
            return await self.link.below.resolve(self._question(name, rdtype))
        except UpstreamError as error:
            text = f"{to_text(name)} {RdataType.to_text(rdtype)}: {error.text}"
            raise evolve(error, text=text, since=None) from None  # the answer may be new all the same

    def forget(self, name: bytes, rdtype: int) -> None:
        """See ``Source``."""
        self.link.forget(self._question(name, rdtype))

    async def run(self, work: Callable[[], T]) -> T:
        """See ``Source``."""
        return await self.link.workers.run(work)

    async def share(self, name: bytes, find: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """See ``Source``."""
        flights, key = self.link.flights, (self.zones, name)
        for _ in range(MOST_JOINED):
            flight: Flight[T] | None = flights.get(key)
            if flight is None:
                flight = flights[key] = Flight(flights, key)
                flight.begin(find())
                return await flight.join()
            with suppress(Exceeded):  # it was somebody else's budget
                found = await flight.join()
                await self.link.pace.pause()  # all who waited go on at once
                return found
            await self.link.pace.pause()
        return await find()

    def _question(self, name: bytes, rdtype: int) -> Query:
        client = self.query.client._replace(subnet=None, tags=(), identity=None)
        question = name + QUESTION.pack(rdtype, IN)
        return self.query._replace(id=0, wire=b"", question=question, qname=name, qtype=rdtype, client=client, tsig=0)
