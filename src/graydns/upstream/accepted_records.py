"""The chain of names from a question to its answer, and the records of an answer section that belong to it.

The records of an authority section that may be used: the SOA of a negative answer, and signed proofs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import dns.rdtypes.ANY.SOA

from graydns.model.dns_parameters import ANY, CNAME, DNAME, NSEC, NSEC3, RRSIG, SOA
from graydns.model.name import is_within, suffixes
from graydns.model.query import Query
from graydns.upstream.reply_parser import InvalidReply, UpstreamReply
from graydns.wire.message import MessageRecord

#: Aliases followed in one answer.
MAX_ALIASES = 16


class AliasChain(NamedTuple):
    """*records*: what belongs to it, in its order. *names*: from the question's on.

    *is_complete*: whether the last name has records of the type that was asked for.
    """

    records: list[MessageRecord]
    names: list[bytes]
    is_complete: bool


def follow_aliases(reply: UpstreamReply, query: Query, *, signatures: bool) -> AliasChain:
    """The chain through the answer section (RFC 1034 section 3.6.2; DNAME: RFC 6672), with RRSIGs if *signatures*.

    A chain may end early: then the resolver found no more. Raises InvalidReply for loops and contradictions.
    """
    qname, kind = query.qname, (query.qtype, query.qclass)
    for record in reply.answers:
        if record.owner != qname or (record.rdtype, record.rdclass) != kind:
            return _AliasFollower(reply, query, signatures).follow_aliases(qname)
    return AliasChain(reply.answers, [qname], bool(reply.answers))


def find_covered_type(reply: UpstreamReply, record: MessageRecord) -> int:
    """The type that an RRSIG covers; 0 for other records."""
    return reply.read_covered_type(record) if record.rdtype == RRSIG else 0


class _AliasFollower:
    def __init__(self, reply: UpstreamReply, query: Query, signatures: bool) -> None:
        self._reply, self._qtype = reply, (qtype := query.qtype)
        self._sets: dict[tuple[bytes, int], list[MessageRecord]] = defaultdict(list)
        self._signatures: dict[tuple[bytes, int], list[MessageRecord]] = defaultdict(list)
        self._accepted: list[MessageRecord] = []
        for record in reply.answers:
            if record.rdclass != query.qclass:
                continue
            rdtype = ANY if qtype == ANY else record.rdtype
            self._sets[record.owner, rdtype].append(record)
            if signatures and record.rdtype == RRSIG != qtype:
                self._signatures[record.owner, find_covered_type(reply, record)].append(record)

    def follow_aliases(self, qname: bytes) -> AliasChain:
        names = [qname]
        if self._qtype == CNAME:
            self._substitute(qname)  # the signed origin of the alias that is asked for, if it was synthesised
        while not (complete := self._accept(names[-1], self._qtype)):
            target = self._find_target(names[-1])
            if target is None:
                break
            if target in names or len(names) > MAX_ALIASES:
                raise InvalidReply("a chain of aliases that has no end")
            names.append(target)
        return AliasChain(self._accepted, names, complete)

    def _find_target(self, name: bytes) -> bytes | None:
        """Where the alias at *name* leads, None without one."""
        substituted = self._substitute(name)
        if not self._accept(name, CNAME):
            return None
        aliases = self._sets[name, CNAME]
        target = self._reply.read_target(aliases[0])
        if len(aliases) > 1 or substituted not in (None, target):
            raise InvalidReply("aliases of one name that disagree")
        return target

    def _substitute(self, name: bytes) -> bytes | None:
        """*name* as a DNAME above it redirects it (RFC 6672 section 2.2), None without one."""
        for suffix in suffixes(name):
            if suffix != name and self._accept(suffix, DNAME):
                return name[: -len(suffix)] + self._reply.read_target(self._sets[suffix, DNAME][0])
        return None

    def _accept(self, owner: bytes, rdtype: int) -> bool:
        """Believe the RRset and its signatures, if it is there: whether it is. A DNAME may be met twice."""
        found = self._sets.get((owner, rdtype))
        if not found:
            return False
        if found[0] not in self._accepted:
            self._accepted += found
            self._accepted += self._signatures.get((owner, rdtype), ())
        return True


#: Records of an authority section past which a reply is refused. An answer needs an SOA and three NSEC3, each with a
#: signature by each algorithm, and as much again for each alias from a wildcard.
MAX_AUTHORITY_RECORDS = 100


class AcceptedAuthority(NamedTuple):
    """*records*: in the order of the message. *soa*: the one among them, None without."""

    records: list[MessageRecord]
    soa: MessageRecord | None


_NO_AUTHORITY = AcceptedAuthority([], None)


def accept_authority(reply: UpstreamReply, query: Query, chain: AliasChain, *, signatures: bool) -> AcceptedAuthority:
    """What of the authority section belongs to *chain*.

    Where the chain found no records: the SOA of a zone at or above its last name (RFC 2308 section 2). With
    *signatures* also RRSIGs of that, and NSEC and NSEC3 that are signed by a zone at or above a name of the chain
    (RFC 4035 section 3.1.3: answers from wildcards have such proofs, too). Raises InvalidReply.
    """
    if chain.is_complete and not signatures:
        return _NO_AUTHORITY
    if len(reply.authorities) > MAX_AUTHORITY_RECORDS:
        raise InvalidReply("more records in the authority section than any proof needs")
    authorities = [each for each in reply.authorities if each.rdclass == query.qclass]
    last = chain.names[-1]
    soa = None
    if not chain.is_complete:
        soa = next((each for each in authorities if each.rdtype == SOA and is_within(last, each.owner)), None)
    if not signatures:
        return AcceptedAuthority([] if soa is None else [soa], soa)
    signed = {
        (each.owner, find_covered_type(reply, each))
        for each in authorities
        if each.rdtype == RRSIG and _is_signed_above(reply, each, chain.names)
    }
    sets = {(each.owner, each.rdtype) for each in authorities if each.rdtype in (NSEC, NSEC3)} & signed
    if soa is not None:
        sets.add((soa.owner, SOA))
    kept = [
        each
        for each in authorities
        if ((each.owner, find_covered_type(reply, each) or each.rdtype) in sets) and (each.rdtype != SOA or each is soa)
    ]
    return AcceptedAuthority(kept, soa)


def read_negative_ttl(reply: UpstreamReply, soa: MessageRecord) -> int:
    """Seconds for which a negative answer with *soa* holds (RFC 2308 section 5)."""
    rdata = reply.parse_rdata(soa)
    assert isinstance(rdata, dns.rdtypes.ANY.SOA.SOA)
    return min(soa.ttl, int(rdata.minimum))


def _is_signed_above(reply: UpstreamReply, signature: MessageRecord, names: list[bytes]) -> bool:
    """Whether the zone that made *signature* holds its owner and one of *names*."""
    zone = reply.read_signer(signature)
    return is_within(signature.owner, zone) and any(is_within(name, zone) for name in names)
