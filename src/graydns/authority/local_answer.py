"""What a look-up in the zones yields before it becomes an Answer: the question, one step, and the whole.

Values only. The zones' data, the search in them and the steps build on this module, so it imports none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, field, frozen

from graydns.model.answer import ANSWER, Answer, Ede
from graydns.model.decision import Decision
from graydns.model.dns_parameters import NOERROR
from graydns.model.dnssec_values import ValidationStatus
from graydns.model.query import Query
from graydns.wire.answer_body import RRset, build_body

#: Takes the release Decision for a name (wire form, lower case) and a record type.
Decide = Callable[[bytes, int], Decision]


@frozen(eq=False)
class LookupQuestion:
    """What each step of a look-up needs of the query.

    *is_minimal_any*: a query of type ANY is answered with one RRset (RFC 8482 section 4.1).
    """

    qtype: int
    is_minimal_any: bool
    decide: Decide

    @classmethod
    def from_query(cls, query: Query, decide: Decide) -> LookupQuestion:
        """The question of *query*. Only over datagrams, where source addresses can be forged, is ANY minimal."""
        return cls(query.qtype, query.client.transport.is_datagram, decide)


@frozen(eq=False)
class LookupStep:
    """The result for one name of a CNAME chain: RRsets in section order, and the next name of the chain.

    *target*: that next name, None at the end of the chain. *is_referral*: the name is delegated to other servers.
    *origin*: what the records were made from. *is_complete*: the answer is the same over every transport.
    """

    rrsets: tuple[RRset, ...] = ()
    rcode: int = NOERROR
    target: bytes | None = None
    authoritative: bool = True
    is_referral: bool = False
    edes: tuple[Ede, ...] = ()
    origin: object = None
    is_complete: bool = True
    why: str = ""


@frozen(eq=False)
class LocalAnswer:
    """The result of a look-up: RRsets in section order, and the name that the zones cannot resolve, if there is one.

    *cname_target*: target of the last CNAME in the answer section if no zone here has it. A client that may use
    forwarding gets the chain completed (``complete``), any other gets it as it is. *ttl_cap*: upper bound, in seconds,
    for every TTL of the answer. The other fields are those of Answer with the same names.
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
        """The CNAME chain so far, then the upstream's *rrsets* for :attr:`cname_target`, its *rcode* (RFC 6604) and
        *edes*.

        *scope*: ECS scope of the whole answer, None keeps the present one. *proof*: validation status of the
        upstream's part.
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
        """The Answer. An incomplete CNAME chain is not shared with other clients."""
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
