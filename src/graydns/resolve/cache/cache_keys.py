"""Key: which queries get the same answer, so that it may be remembered and waited for together.

Of the header's flags only CD tells answers apart (RFC 4035 section 3.2.2), of EDNS only DO (RFC 3225) and the client
subnet (RFC 7871); AD and RD do not, OPT itself belongs to one hop and never to an answer (RFC 6891 section 6.2.1).

Networks: the client subnets for which one question has answers of their own, and the longest that fits. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from attrs import field, frozen

from graydns.model.client import Subnet
from graydns.model.decision import Cohort
from graydns.model.query import Query
from graydns.upstream.server_groups import UpstreamGroup
from graydns.upstream.upstream_request import select_subnet, select_tags

#: The subnet of a client that has none or withholds it (SOURCE 0), for an upstream that is sent subnets: the answer
#: is for such clients only, unlike one that the upstream calls good for everyone (RFC 7871 section 7.3.1).
NO_CLIENT_SUBNET = Subnet(b"", 0)


class CacheKey(NamedTuple):
    """What an answer depends on.

    *upstream*: the identity of the group that is asked, "" without one. *tags*: those of the client that it is sent.
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


class _LastKeys:
    """The last query and its keys: the links ask for them one after the other, in one turn."""

    __slots__ = ("key", "query", "raw")
    key: CacheKey
    raw: CacheKey

    def __init__(self) -> None:
        self.query: Query | None = None


@frozen
class CacheKeyFactory:
    """Makes keys. *choose_group*: the group that will be asked; *choose_partition*: the part of the memory that a query
    may use."""

    choose_group: Callable[[Query], UpstreamGroup | None] = field(repr=False)
    choose_partition: Callable[[Query], str] = field(repr=False)
    _last: _LastKeys = field(init=False, repr=False, factory=lambda: _LastKeys())

    def make_cohort_key(self, query: Query) -> CacheKey:
        """The key of the answer for a client of its cohort; where no rule distinguishes clients it is the raw key, as
        both levels would hold the same answer."""
        last = self._last
        return last.key if last.query is query else self._make_keys(query).key

    def make_raw_key(self, query: Query) -> CacheKey:
        """The key of an upstream's answer, for all clients."""
        last = self._last
        return last.raw if last.query is query else self._make_keys(query).raw

    def _make_keys(self, query: Query) -> _LastKeys:
        last, decision = self._last, query.decision
        upstream, subnet = "", None
        tags: tuple[tuple[str, str], ...] = ()
        if (group := self.choose_group(query)) is not None:
            upstream, tags, subnet = group.identity, select_tags(query, group), _key_subnet(query, group)
        flags = (query.dnssec_ok, query.checking_disabled)
        asked = (query.qname, query.qtype, query.qclass, *flags, upstream, tags)
        partition = self.choose_partition(query)
        last.key = last.raw = CacheKey(*asked, None, partition, subnet)
        if decision is not None and (decision.cohort.service or decision.cohort.outcome):
            last.key = CacheKey(*asked, decision.cohort, partition, subnet)
        last.query = query
        return last


def _key_subnet(query: Query, group: UpstreamGroup) -> Subnet | None:
    """The subnet in the key of *query*."""
    if not group.ecs:
        return None
    told = select_subnet(query, group)
    return told if told is not None and told.prefix else NO_CLIENT_SUBNET


def truncate_subnet(subnet: Subnet, prefix: int) -> Subnet:
    """The first *prefix* bits of *subnet*."""
    size = len(subnet.address)
    kept = int.from_bytes(subnet.address, "big") >> (spare := size * 8 - prefix) << spare
    return Subnet(kept.to_bytes(size, "big"), prefix)


#: Networks remembered for one question; past that the oldest goes.
MAX_SUBNETS_PER_QUESTION = 100


class SubnetIndex:
    """Networks in the order in which they came, and how many have each (octets of the address, prefix length)."""

    __slots__ = ("_prefix_lengths", "_subnets")

    def __init__(self) -> None:
        self._subnets: dict[Subnet, None] = {}
        self._prefix_lengths: Counter[tuple[int, int]] = Counter()

    def __bool__(self) -> bool:
        return bool(self._subnets)

    def add(self, added: Subnet) -> Subnet | None:
        """Know *added*, which is new; gives the oldest, still known, if there are now more than may be."""
        self._subnets[added] = None
        self._prefix_lengths[len(added.address), added.prefix] += 1
        return next(iter(self._subnets)) if len(self._subnets) > MAX_SUBNETS_PER_QUESTION else None

    def remove(self, known: Subnet) -> None:
        """Forget *known*."""
        del self._subnets[known]
        length = len(known.address), known.prefix
        self._prefix_lengths[length] -= 1
        if not self._prefix_lengths[length]:
            del self._prefix_lengths[length]

    def find_longest(self, subnet: Subnet) -> Subnet | None:
        """The longest known network that holds all of *subnet*, None without one; NO_CLIENT_SUBNET is held by itself
        only."""
        if subnet == NO_CLIENT_SUBNET:
            return NO_CLIENT_SUBNET if NO_CLIENT_SUBNET in self._subnets else None
        size = len(subnet.address)
        for octets, prefix in sorted(self._prefix_lengths, reverse=True):
            if (
                octets == size
                and prefix <= subnet.prefix
                and (found := truncate_subnet(subnet, prefix)) in self._subnets
            ):
                return found
        return None
