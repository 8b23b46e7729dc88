"""Answer: what the pipeline says to a Query, ready to be rendered for any client of a cohort."""

from __future__ import annotations

from typing import NamedTuple

from attrs import frozen

from graydns.model.dnssec_values import Security, ValidationStatus

ANSWER, AUTHORITY, ADDITIONAL = 0, 1, 2


class Span(NamedTuple):
    """One RRset in a body.

    *section*: ANSWER, AUTHORITY or ADDITIONAL, never decreasing. *record_count*: number of records. *end*: offset in
    the body just past it. *ttls*: offsets in the body of each record's 32-bit TTL. *required*: whether
    leaving it out of a UDP answer must set TC (RFC 9471: glue is required, other additionals are not).
    """

    section: int
    record_count: int
    end: int
    ttls: tuple[int, ...]
    required: bool = True


class Ede(NamedTuple):
    """An extended DNS error (RFC 8914)."""

    code: int
    text: str = ""


@frozen(eq=False)
class Answer:
    """An rcode and records, rendered once, the same for every client of its cohort.

    *body*: everything after the question. Names in it compress only against the question's name
    (offset 12) or earlier bytes of the body, so any prefix that ends at a Span's end is valid.
    *ttl*: seconds for which it may be reused (the smallest TTL in it, or the negative TTL of
    RFC 2308), 0 = not at all. *stored_at*: when a cache took it (monotonic seconds), None = its TTLs
    do not age. *ecs_scope*: ECS scope if the answer has its own (0 for negatives and delegations, an upstream's
    scope), None = that of the Decision. *origin*: the immutable object it was made from; a store refuses an
    answer whose origin is not current. *forwarded*: it came from an upstream, so only clients that may
    forward get it. *shareable*: whether the other clients of the cohort may get it too (a chain that ran through
    another gray name may not be shared). *why*: for people. *proof*: what the validator found, None where none looked.
    """

    rcode: int = 0
    authoritative: bool = False
    body: bytes = b""
    spans: tuple[Span, ...] = ()
    ttl: int = 0
    stored_at: float | None = None
    security: Security = Security.INDETERMINATE
    ecs_scope: int | None = None
    edes: tuple[Ede, ...] = ()
    origin: object = None
    forwarded: bool = False
    shareable: bool = True
    why: str = ""
    proof: ValidationStatus | None = None

    def counts(self) -> tuple[int, int, int]:
        """ANCOUNT, NSCOUNT, ARCOUNT of the whole body."""
        totals = [0, 0, 0]
        for span in self.spans:
            totals[span.section] += span.record_count
        return totals[0], totals[1], totals[2]
