"""DNSSEC validation: every forwarded answer is secure, provably insecure, or an error (RFC 4035 section 4).

The link queries only the links below it, with DO and CD, and validates the data itself. A query with CD set gets the
answer from below without validation (RFC 4035 section 3.2.2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, TypeVar

from attrs import evolve, field, frozen
from dns.edns import EDECode
from dns.rdatatype import RdataType

from graydns.dnssec.chain_of_trust import ChainOfTrust
from graydns.dnssec.key_trust import NegativeTrustAnchors, TrustAnchors
from graydns.dnssec.rrsets import SignedRRset
from graydns.dnssec.signature import ValidatorSettings
from graydns.dnssec.validator import ValidationResult, validate
from graydns.dnssec.work_budget import WorkBudget, WorkLimitExceededError
from graydns.dnssec.zone_status import ValidationStep, ZoneStatusCache
from graydns.model.answer import AUTHORITY, Answer, Ede, Span
from graydns.model.dns_parameters import ANY, IN, NSEC, NSEC3, RRSIG
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.errors import ResolveError, UpstreamError
from graydns.model.name import to_text
from graydns.model.query import Edns, Query
from graydns.resolve.cache.cache_keys import CacheKey
from graydns.resolve.cache.raw_cache import FailureCache
from graydns.resolve.link import Resolver
from graydns.resolve.links.coalesce import SingleFlight
from graydns.resolve.workers import TurnLimiter, WorkerPool
from graydns.runtime.garbage import drop_tracebacks
from graydns.wire import answer_body as wire
from graydns.wire.edns import DEFAULT_UDP_PAYLOAD_BYTES
from graydns.wire.message import QUESTION_STRUCT

ResultT = TypeVar("ResultT")


#: Flights with exceeded work limit that a query joins; after that it walks the chain of trust itself. Otherwise
#: many queries would wait one after another, and each failure would wake all that are left.
MAX_JOIN_ATTEMPTS = 2

#: EDNS of queries to the upstream: DO. Their header has CD.
VALIDATION_EDNS = Edns(DEFAULT_UDP_PAYLOAD_BYTES, dnssec_ok=True)


@frozen
class ValidationPolicy:
    """Trust anchors and limits. *negative_anchors*: the current ones. *wall*: Unix seconds, fixed for forensics."""

    settings: ValidatorSettings
    anchors: TrustAnchors
    negative_anchors: Callable[[], NegativeTrustAnchors] = field(repr=False)
    wall: Callable[[], float] = field(repr=False)


@frozen
class ValidatingLink:
    """Validate the answers from *below*.

    *zones*: the zone statuses in the cache partition of a query. *key*: the cache key of a query; *failures*: recent
    failures by that key. *forget*: removes the raw answer to a query from the cache. *key_queries*: queries for DS and
    DNSKEY, by type. *clock*: monotonic seconds. *flights*: walks along chains of trust.
    """

    below: Resolver
    policy: ValidationPolicy = field(kw_only=True)
    zones: Callable[[Query], ZoneStatusCache] = field(kw_only=True, repr=False)
    key: Callable[[Query], CacheKey] = field(kw_only=True, repr=False)
    failures: FailureCache = field(kw_only=True, repr=False)
    forget: Callable[[Query], None] = field(kw_only=True, repr=False)
    worker_pool: WorkerPool = field(kw_only=True, repr=False)
    turn_limiter: TurnLimiter = field(kw_only=True, repr=False)
    key_queries: Counter[int] = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(kw_only=True, repr=False)
    flights: dict[Hashable, SingleFlight[Any]] = field(kw_only=True, factory=dict, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer with its ValidationStatus. Raises ResolveError, with a ValidationStatus too, where it is bogus or
        cannot be validated."""
        if query.checking_disabled or query.qclass != IN:
            return await self.below.resolve(query)
        key = self.key(query)
        if (failure := self.failures.find(key, self.clock())) is not None:
            raise failure
        asked = query._replace(edns=VALIDATION_EDNS, checking_disabled=True)
        try:
            answer = await self.below.resolve(asked)
            await self.turn_limiter.pause()
            while True:
                negatives = self.policy.negative_anchors()
                verdict = await self.validate_answer(asked, answer, self.zones(query), negatives)
                if self.policy.negative_anchors() == negatives:
                    break  # else an operator has changed them meanwhile: validate again
        except ResolveError as error:
            unjudged = ValidationStatus(Security.INDETERMINATE, reason=error.text, ede=error.ede, since=error.since)
            raise evolve(error, proof=unjudged) from None
        verdict = evolve(verdict, proof=evolve(verdict.proof, since=answer.stored_at))
        if verdict.proof.security is not Security.BOGUS:
            return make_validated_answer(query, answer, verdict, self._seconds_until_expiry(answer, verdict.proof))
        self.forget(asked)
        bogus = make_bogus_error(verdict.proof)
        self.failures.add(key, bogus, self.clock())
        raise bogus

    def _seconds_until_expiry(self, answer: Answer, proof: ValidationStatus) -> int | None:
        """Seconds since *answer* came until the first of the signatures that it rests on expires."""
        if proof.expires_at is None:
            return None
        age = 0.0 if answer.stored_at is None else self.clock() - answer.stored_at
        return max(0, int(proof.expires_at - self.policy.wall() + age))

    async def validate_answer(
        self,
        asked: Query,
        answer: Answer,
        zones: ZoneStatusCache,
        negatives: NegativeTrustAnchors,
        steps: list[ValidationStep] | None = None,
    ) -> ValidationResult:
        """The ValidationResult on *answer* to *asked*; what leads to it is noted in *steps*. Raises ResolveError."""
        policy = self.policy
        now = int(policy.wall())
        walk = ChainOfTrust(
            backend=_EvidenceSource(self, asked, zones),
            settings=policy.settings,
            anchors=policy.anchors,
            negatives=negatives,
            zones=zones,
            budget=WorkBudget(policy.settings.limits),
            now=now,
            clock=self.clock(),
            steps=steps,
        )
        return await validate(walk, asked.qname, asked.qtype, answer)


def make_bogus_error(proof: ValidationStatus) -> ResolveError:
    """The error for the client of a bogus answer."""
    return ResolveError(proof.reason, ede=proof.ede or EDECode.DNSSEC_BOGUS, proof=proof)


@frozen
class _EvidenceSource:
    """Where the records for validating the answer to *query* come from: the same upstreams, without client data."""

    link: ValidatingLink
    query: Query
    zones: ZoneStatusCache

    async def fetch(self, name: bytes, rdtype: int) -> Answer:
        """See ``ValidationBackend``."""
        self.link.key_queries[rdtype] += 1
        try:
            return await self.link.below.resolve(self._question(name, rdtype))
        except UpstreamError as error:
            text = f"{to_text(name)} {RdataType.to_text(rdtype)}: {error.text}"
            raise evolve(error, text=text, since=None) from None  # the answer may be new all the same

    def discard(self, name: bytes, rdtype: int) -> None:
        """See ``ValidationBackend``."""
        self.link.forget(self._question(name, rdtype))

    async def run(self, work: Callable[[], ResultT]) -> ResultT:
        """See ``ValidationBackend``."""
        return await self.link.worker_pool.run(work)

    async def coalesce(self, name: bytes, find: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """See ``ValidationBackend``."""
        flights, key = self.link.flights, (self.zones, name)
        for _ in range(MAX_JOIN_ATTEMPTS):
            if key not in flights:
                return await SingleFlight.start(flights, key, find())
            try:
                found: ResultT = await flights[key].join()
                await self.link.turn_limiter.pause()  # all waiters continue in the same turn
                return found
            except WorkLimitExceededError as error:  # the budget was that of another query
                drop_tracebacks(error)
            await self.link.turn_limiter.pause()
        return await find()

    def _question(self, name: bytes, rdtype: int) -> Query:
        client = self.query.client._replace(subnet=None, tags=(), identity=None)
        question = name + QUESTION_STRUCT.pack(rdtype, IN)
        return self.query._replace(id=0, wire=b"", question=question, qname=name, qtype=rdtype, client=client, tsig=0)


#: What those get only who ask for DNSSEC records, or for the very type.
_PROOF_TYPES = (RRSIG, NSEC, NSEC3)


def make_validated_answer(query: Query, answer: Answer, verdict: ValidationResult, lasts: int | None) -> Answer:
    """*answer*, which is not bogus, with the records that *query* is to get.

    *lasts*: seconds since it came for which all signatures hold, None where there are none.
    """
    with_proofs = query.dnssec_ok or query.qtype in (RRSIG, ANY)
    kept = [
        each for each in verdict.rrsets if with_proofs or each.rdtype not in _PROOF_TYPES or each.rdtype == query.qtype
    ]
    if verdict.proof.security is Security.SECURE:
        # Other records of the authority section are not signed, and all that is given must be authentic.
        kept = [each for each in kept if each.section != AUTHORITY or each.position in verdict.ttls]
    ttls = [min(each.ttl, verdict.ttls.get(each.position, each.ttl)) for each in kept]
    if lasts is not None:
        ttls = [min(ttl, lasts) for ttl in ttls]
    body, spans = answer.body, answer.spans
    # A SignedRRset whose records are not neighbours, and signatures of nothing that is here, are put in order or left
    # out.
    scattered = len(spans) != sum(1 + bool(each.signatures) for each in verdict.rrsets)
    if scattered or any(ttl != each.ttl for ttl, each in zip(ttls, kept, strict=True)):
        body, spans = _build_body(query, kept, ttls, with_proofs)
    elif with_proofs and len(kept) == len(verdict.rrsets):
        pass  # all of it
    elif not with_proofs and _precede_proofs(query, answer, len(kept)):
        spans = spans[: len(kept)]
        body = body[: spans[-1].end] if spans else b""
    else:
        body, spans = _build_body(query, kept, ttls, with_proofs)
    proof = verdict.proof
    return evolve(
        answer,
        body=body,
        spans=spans,
        ttl=min([answer.ttl, *ttls]),
        security=proof.security,
        proof=proof,
        edes=answer.edes if proof.ede is None else (*answer.edes, Ede(proof.ede, proof.reason)),
    )


def _precede_proofs(query: Query, answer: Answer, number: int) -> bool:
    """Whether the first *number* RRsets of *answer* are those that are no proofs."""
    types = [wire.read_span_type(answer.body, span) for span in answer.spans[:number]]
    return all(rdtype not in _PROOF_TYPES or rdtype == query.qtype for rdtype in types)


def _build_body(
    query: Query, rrsets: Sequence[SignedRRset], ttls: Sequence[int], with_proofs: bool
) -> tuple[bytes, tuple[Span, ...]]:
    """The body of *rrsets* in their canonical form, and its spans."""
    sets = []
    for rrset, ttl in zip(rrsets, ttls, strict=True):
        sets.append(wire.RRset(rrset.section, rrset.owner, rrset.rdtype, rrset.rdclass, ttl, rrset.rdatas))
        if with_proofs and rrset.signatures:
            signatures = tuple(each.signed + each.octets for each in rrset.signatures)
            sets.append(wire.RRset(rrset.section, rrset.owner, RRSIG, rrset.rdclass, ttl, signatures))
    return wire.build_body(query.qname, sets)
