"""Found: what the zones have to say to a question, before it becomes an Answer."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, field, frozen

from graydns.model.answer import ANSWER, Answer, Ede
from graydns.model.dnssec_values import ValidationStatus
from graydns.wire.answer_body import RRset, build_body


@frozen(eq=False)
class LocalAnswer:
    """RRsets in section order, and possibly the name at which somebody else must go on.

    *chase*: the target of the last CNAME of ANSWER if that is not ours to answer: whoever may forward completes
    it (``completed``), others answer what is here. *ttl_cap*: upper bound for every TTL of the answer. The other
    fields are the Answer's of the same names.
    """

    qname: bytes
    rcode: int = 0
    rrsets: tuple[RRset, ...] = field(default=(), repr=False)
    cname_target: bytes | None = None
    authoritative: bool = True
    ttl_cap: int | None = None
    edes: tuple[Ede, ...] = ()
    ecs_scope: int | None = None
    origin: object = field(default=None, repr=False)
    forwarded: bool = False
    shareable: bool = True
    proof: ValidationStatus | None = None
    why: str = ""

    def complete(
        self,
        rcode: int,
        rrsets: Sequence[RRset],
        *,
        scope: int | None = None,
        edes: Sequence[Ede] = (),
        proof: ValidationStatus | None = None,
    ) -> LocalAnswer:
        """The chain so far, then *rrsets*: what others said about *chase*, with their *rcode* (RFC 6604) and *edes*.

        *scope*: that of the whole, None = as it is. *proof*: theirs.
        """
        chain = tuple(rrset for rrset in self.rrsets if rrset.section == ANSWER)
        return evolve(
            self,
            rcode=rcode,
            rrsets=(*chain, *rrsets),
            cname_target=None,
            edes=(*self.edes, *edes),
            ecs_scope=self.ecs_scope if scope is None else scope,
            forwarded=True,
            shareable=False,
            proof=proof and proof.with_unsigned_part(),
        )

    def to_answer(self) -> Answer:
        """The Answer; for a chain that nobody completes, one for this asker only."""
        rrsets = self.rrsets
        if self.ttl_cap is not None:
            rrsets = tuple(rrset._replace(ttl=min(rrset.ttl, self.ttl_cap)) for rrset in rrsets)
        body, spans = build_body(self.qname, rrsets)
        return Answer(
            rcode=self.rcode,
            authoritative=self.authoritative,
            body=body,
            spans=spans,
            ttl=min((rrset.ttl for rrset in rrsets), default=0),
            edes=self.edes,
            ecs_scope=self.ecs_scope,
            origin=self.origin,
            forwarded=self.forwarded,
            proof=self.proof,
            shareable=self.shareable and self.cname_target is None,
            why=self.why,
        )
