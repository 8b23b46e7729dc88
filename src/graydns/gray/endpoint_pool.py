"""A version's endpoints: which one a client is sent to first, and the records in that order.

Weighted rendezvous (highest ``weight / -ln(u)`` wins, u a hash of slot and endpoint) moves only the clients it must
when an endpoint comes, goes or changes weight. Scoring every endpoint for every query would be slow, so
clients are hashed to one of 16,384 slots and the winner of a slot is computed once, when it is first asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from math import log

from attrs import field, frozen
from siphash24 import siphash24

from graydns.gray.client_key import hash64
from graydns.gray.policy_records import RdataByType
from graydns.wire.answer_body import truncate_rdatas

#: Slots that clients are hashed to: an endpoint's share comes in steps of 0.006 %.
SLOT_COUNT = 1 << 14
_SLOT_SHIFT = 64 - 14

#: The most endpoints a version can have: what a table of 16-bit numbers can name.
MAX_MEMBERS = 65_534

_SLOT_MASK = SLOT_COUNT - 1


@frozen(eq=False)
class PoolMember:
    """One endpoint. *identity*: its records in canonical form, so that it keeps its clients wherever it is listed."""

    name: str
    identity: bytes
    weight: int
    records: RdataByType


@frozen(eq=False)
class EndpointPool:
    """A version with those of its endpoints that are in use; the ``origin`` of its answers.

    *answers*: endpoints per answer. *key*: SipHash key of the purpose "endpoint". *is_known*: False = where its
    endpoints come from has not delivered them yet.
    """

    service: str
    version: str
    members: tuple[PoolMember, ...]
    answers: int
    key: bytes = field(repr=False)
    is_known: bool = True
    _winners: bytearray | array[int] = field(init=False, repr=False)
    _rotations: dict[int, RdataByType] = field(init=False, factory=dict, repr=False)

    @_winners.default
    def _no_winners(self) -> bytearray | array[int]:
        if self.is_fixed:
            return bytearray()
        return bytearray(SLOT_COUNT) if len(self.members) < 256 else array("H", bytes(2 * SLOT_COUNT))

    @property
    def is_fixed(self) -> bool:
        """Whether every client starts at the same endpoint."""
        return len(self.members) < 2

    @property
    def rdtypes(self) -> frozenset[int]:
        """The RR types that any endpoint has."""
        return frozenset(rdtype for member in self.members for rdtype in member.records)

    def select_first(self, client_key: bytes) -> int:
        """The index of the endpoint a client is sent to first; not for a pool that is fixed."""
        slot = siphash24(client_key, key=self.key).intdigest() >> _SLOT_SHIFT & _SLOT_MASK
        return self._winners[slot] - 1 if self._winners[slot] else self._elect_winner(slot)

    def records(self, first: int) -> RdataByType:
        """The records of an answer that starts at endpoint *first*.

        A type that this endpoint lacks starts at the next one that has it. Of thousands there are as many as a message
        has room for.
        """
        if first not in self._rotations:
            order = self.members[first:] + self.members[:first]
            self._rotations[first] = {rdtype: self._select_rdata(rdtype, order) for rdtype in sorted(self.rdtypes)}
        return self._rotations[first]

    def _select_rdata(self, rdtype: int, order: Sequence[PoolMember]) -> tuple[bytes, ...]:
        having = [member.records[rdtype] for member in order if rdtype in member.records]
        return truncate_rdatas(tuple(dict.fromkeys(rdata for rdatas in having[: self.answers] for rdata in rdatas)))

    def _elect_winner(self, slot: int) -> int:
        number = slot.to_bytes(2, "big")
        # 52 bits and a half are the most that a float takes without rounding up to 1, whose logarithm is 0.
        scores = [
            member.weight / -log(((hash64(self.key, number + member.identity) >> 12) + 0.5) / 2**52)
            for member in self.members
        ]
        winner = scores.index(max(scores))
        self._winners[slot] = winner + 1
        return winner


def build_pool(
    service: str, version: str, members: Sequence[PoolMember], answers: int | None, key: bytes
) -> EndpointPool:
    """Leave out endpoints of weight 0 unless all are, which then count alike; settle *answers* if not given."""
    used = [member for member in members if member.weight > 0] or [
        PoolMember(member.name, member.identity, 1, member.records) for member in members
    ]
    if answers is None:
        answers = 1 if len({member.weight for member in used}) > 1 else len(used)
    return EndpointPool(service, version, tuple(used), answers, key)


def encode_records(records: Mapping[int, Sequence[bytes]]) -> bytes:
    """An endpoint's identity: its record data, sorted, each with its type and length."""
    return b"".join(
        rdtype.to_bytes(2, "big") + len(rdata).to_bytes(2, "big") + rdata
        for rdtype in sorted(records)
        for rdata in sorted(records[rdtype])
    )
