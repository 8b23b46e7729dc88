"""Key: which queries get the same answer, so that it may be remembered and waited for together.

Of the header's flags only CD tells answers apart (RFC 4035 section 3.2.2), of EDNS only DO (RFC 3225) and the client
subnet (RFC 7871); AD and RD do not, OPT itself belongs to one hop and never to an answer (RFC 6891 section 6.2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from attrs import field, frozen

from graydns.model.decision import Cohort
from graydns.model.query import Query, Subnet
from graydns.upstream.group import UpstreamGroup
from graydns.upstream.request import told_subnet, told_tags

#: The subnet of a client that has none or tells none (SOURCE 0), towards an upstream that is told subnets: the answer
#: is for such clients only, unlike one that the upstream calls good for everyone (RFC 7871 section 7.3.1).
NOBODY = Subnet(b"", 0)


class Key(NamedTuple):
    """What an answer depends on.

    *upstream*: the identity of the group that is asked, "" without one. *tags*: what it is told of the client's tags.
    *cohort*: None in the raw cache, and for clients in their tenant's default cohort. *partition*: whose memory it
    takes. *subnet*: None = everyone, NOBODY, or in a query's key what the upstream is told, in a store's the network
    that the answer is for.
    """

    qname: bytes
    qtype: int
    qclass: int
    dnssec_ok: bool
    checking_disabled: bool
    upstream: str
    tags: tuple[tuple[str, str], ...]
    cohort: Cohort | None
    partition: str
    subnet: Subnet | None


class _Last:
    """The last query and its keys: the links ask for them one after the other, in one turn."""

    __slots__ = ("key", "query", "raw")
    key: Key
    raw: Key

    def __init__(self) -> None:
        self.query: Query | None = None


@frozen
class Keys:
    """Makes keys. *choose*: the group that will be asked; *partition*: the part of the memory that a query may use."""

    choose: Callable[[Query], UpstreamGroup | None] = field(repr=False)
    partition: Callable[[Query], str] = field(repr=False)
    _last: _Last = field(init=False, repr=False, factory=lambda: _Last())

    def of_cohort(self, query: Query) -> Key:
        """The key of what a client of its cohort is told; of one that no rule tells from others it is the raw key, as
        both levels would hold the same answer."""
        last = self._last
        return last.key if last.query is query else self._both(query).key

    def raw(self, query: Query) -> Key:
        """The key of what an upstream said, whoever asked."""
        last = self._last
        return last.raw if last.query is query else self._both(query).raw

    def _both(self, query: Query) -> _Last:
        last, decision = self._last, query.decision
        upstream, subnet = "", None
        tags: tuple[tuple[str, str], ...] = ()
        if (group := self.choose(query)) is not None:
            upstream, tags, subnet = group.identity, told_tags(query, group), _subnet(query, group)
        flags = (query.dnssec_ok, query.checking_disabled)
        asked = (query.qname, query.qtype, query.qclass, *flags, upstream, tags)
        partition = self.partition(query)
        last.key = last.raw = Key(*asked, None, partition, subnet)
        if decision is not None and (decision.cohort.service or decision.cohort.outcome):
            last.key = Key(*asked, decision.cohort, partition, subnet)
        last.query = query
        return last


def _subnet(query: Query, group: UpstreamGroup) -> Subnet | None:
    """The subnet in the key of *query*."""
    if not group.ecs:
        return None
    told = told_subnet(query, group)
    return told if told is not None and told.prefix else NOBODY


def network(subnet: Subnet, prefix: int) -> Subnet:
    """The first *prefix* bits of *subnet*."""
    size = len(subnet.address)
    kept = int.from_bytes(subnet.address, "big") >> (spare := size * 8 - prefix) << spare
    return Subnet(kept.to_bytes(size, "big"), prefix)
