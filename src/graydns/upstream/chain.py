"""The chain of names from a question to its answer, and the records of an answer section that belong to it."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from graydns.model.name import suffixes
from graydns.model.query import Query
from graydns.model.rrtype import ANY, CNAME, DNAME, RRSIG
from graydns.upstream.reply import Reply, Unbelievable
from graydns.wire.walk import Record

#: Aliases followed in one answer.
LONGEST = 16


class Chain(NamedTuple):
    """*records*: what belongs to it, in its order. *names*: from the question's on.

    *complete*: whether the last name has records of the type that was asked for.
    """

    records: list[Record]
    names: list[bytes]
    complete: bool


def follow(reply: Reply, query: Query, *, signatures: bool) -> Chain:
    """The chain through the answer section (RFC 1034 section 3.6.2; DNAME: RFC 6672), with RRSIGs if *signatures*.

    A chain may end early: then the resolver found no more. Raises Unbelievable for loops and contradictions.
    """
    qname, kind = query.qname, (query.qtype, query.qclass)
    for record in reply.answers:
        if record.owner != qname or (record.rdtype, record.rdclass) != kind:
            return _Follower(reply, query, signatures).follow(qname)
    return Chain(reply.answers, [qname], bool(reply.answers))


def covered(reply: Reply, record: Record) -> int:
    """The type that an RRSIG covers; 0 for other records."""
    return reply.covered(record) if record.rdtype == RRSIG else 0


class _Follower:
    def __init__(self, reply: Reply, query: Query, signatures: bool) -> None:
        self._reply, self._qtype = reply, (qtype := query.qtype)
        self._sets: dict[tuple[bytes, int], list[Record]] = defaultdict(list)
        self._signatures: dict[tuple[bytes, int], list[Record]] = defaultdict(list)
        self._believed: list[Record] = []
        for record in reply.answers:
            if record.rdclass != query.qclass:
                continue
            rdtype = ANY if qtype == ANY else record.rdtype
            self._sets[record.owner, rdtype].append(record)
            if signatures and record.rdtype == RRSIG != qtype:
                self._signatures[record.owner, covered(reply, record)].append(record)

    def follow(self, qname: bytes) -> Chain:
        names = [qname]
        if self._qtype == CNAME:
            self._substitute(qname)  # what vouches for the alias that is asked for, if it was made
        while not (complete := self._take(names[-1], self._qtype)):
            target = self._next(names[-1])
            if target is None:
                break
            if target in names or len(names) > LONGEST:
                raise Unbelievable("a chain of aliases that has no end")
            names.append(target)
        return Chain(self._believed, names, complete)

    def _next(self, name: bytes) -> bytes | None:
        """Where the alias at *name* leads, None without one."""
        substituted = self._substitute(name)
        if not self._take(name, CNAME):
            return None
        aliases = self._sets[name, CNAME]
        target = self._reply.target(aliases[0])
        if len(aliases) > 1 or substituted not in (None, target):
            raise Unbelievable("aliases of one name that disagree")
        return target

    def _substitute(self, name: bytes) -> bytes | None:
        """*name* as a DNAME above it redirects it (RFC 6672 section 2.2), None without one."""
        for suffix in suffixes(name):
            if suffix != name and self._take(suffix, DNAME):
                return name[: -len(suffix)] + self._reply.target(self._sets[suffix, DNAME][0])
        return None

    def _take(self, owner: bytes, rdtype: int) -> bool:
        """Believe the RRset and its signatures, if it is there: whether it is. A DNAME may be met twice."""
        found = self._sets.get((owner, rdtype))
        if not found:
            return False
        if found[0] not in self._believed:
            self._believed += found
            self._believed += self._signatures.get((owner, rdtype), ())
        return True
