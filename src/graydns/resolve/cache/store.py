"""Store: answers by key, bounded in octets for each partition, the least recently used going first. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from attrs import define, evolve, field

from graydns.model.answer import Answer
from graydns.model.client import Subnet
from graydns.model.decision import Cohort
from graydns.resolve.cache.cache_keys import NO_CLIENT_SUBNET, CacheKey, SubnetIndex, truncate_subnet

#: Octets that an entry takes beside its name, an answer beside its body and records, and a record beside its bytes (the
#: place of its TTL, a part of a Span); measured by benchmarks/micro/store.py and rounded up.
ENTRY_OVERHEAD_BYTES, ANSWER_OVERHEAD_BYTES, RECORD_OVERHEAD_BYTES = 290, 360, 40

#: An answer larger than this part of its partition is not kept: it would push out too many others.
MAX_ANSWER_DIVISOR = 8


class CacheEntry:
    """A remembered *answer*.

    *hits*: times it was given. *retry_at*: monotonic time before which a failed refresh is not tried again.
    *stale_until*: monotonic time up to which it may be given after it has expired, None = not yet known.
    """

    __slots__ = ("answer", "hits", "retry_at", "stale_until")

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.hits = 0
        self.retry_at = 0.0
        self.stale_until: float | None = None

    @property
    def expires(self) -> float:
        """Monotonic time at which the answer's TTL is over."""
        answer = self.answer
        return answer.ttl + (answer.stored_at or 0.0)


class PartitionUsage(NamedTuple):
    """What a partition holds and may hold."""

    entries: int
    octets: int
    limit: int


class _CachePartition:
    """*entries*: the least recently used first. *reference_counts*: entries by answer; its octets count once."""

    __slots__ = ("entries", "octets", "reference_counts")

    def __init__(self) -> None:
        self.entries: OrderedDict[CacheKey, CacheEntry] = OrderedDict()
        self.reference_counts: dict[Answer, int] = {}
        self.octets = 0

    def insert(self, place: CacheKey, answer: Answer, size: int) -> None:
        """Have *answer* of *size* octets at *place*, where nothing is."""
        self.entries[place] = CacheEntry(answer)
        self.reference_counts[answer] = holders = self.reference_counts.get(answer, 0) + 1
        self.octets += ENTRY_OVERHEAD_BYTES + len(place.qname) + (size if holders == 1 else 0)

    def remove(self, place: CacheKey) -> None:
        """Have nothing at *place*."""
        answer = self.entries.pop(place).answer
        self.octets -= ENTRY_OVERHEAD_BYTES + len(place.qname)
        if (holders := self.reference_counts.pop(answer) - 1) > 0:
            self.reference_counts[answer] = holders
        else:
            self.octets -= _estimate_size(answer)


@define(eq=False)
class AnswerStore:
    """Answers of both caches; outlives reloads.

    *limit*: octets that a partition may take. *is_current_origin*: whether an origin is part of the running Snapshot;
    an answer of any other is neither kept nor found. *counts*: events since the start, by name. *generation*: how often
    some were forgotten; what was asked for before that is not kept after it.
    """

    limit: Callable[[str], int] = field(repr=False)
    is_current_origin: Callable[[object], bool] = field(repr=False)
    counts: Counter[str] = field(init=False, factory=Counter, repr=False)
    generation: int = field(init=False, default=0)
    _partitions: dict[str, _CachePartition] = field(init=False, factory=dict, repr=False)
    _subnet_indexes: dict[CacheKey, SubnetIndex] = field(init=False, factory=dict, repr=False)

    def find(self, key: CacheKey) -> CacheEntry | None:
        """The entry for a query of *key*, fresh or not: of the longest network with its subnet, else for everyone."""
        if (partition := self._partitions.get(key.partition)) is None:
            return None
        place = key if key.subnet is None else self._find_storage_key(key, key.subnet)
        entry = partition.entries.get(place)
        if entry is None:
            return None
        if not self.is_current_origin(entry.answer.origin):
            self._remove(partition, place)
            return None
        partition.entries.move_to_end(place)
        return entry

    def store(self, key: CacheKey, answer: Answer, now: float, era: int | None = None) -> Answer:
        """Remember *answer* to a query of *key*; gives it back with the time since which its TTLs run.

        It replaces what was there. An answer that may not be reused is not kept and leaves nothing in its place. One
        that was asked for in an *era* that is over is for the queries that wait for it, and no others.
        """
        if era not in (None, self.generation):
            return evolve(answer, stored_at=None)
        if (partition := self._partitions.get(key.partition)) is None:
            partition = self._partitions[key.partition] = _CachePartition()
        place = key if key.subnet is None else _make_storage_key(key, key.subnet, answer)
        if (entry := partition.entries.get(place)) is not None:
            if entry.answer is answer:
                return answer  # one of many who waited for it was here first
            self._remove(partition, place)
        if answer.ttl <= 0 or not self.is_current_origin(answer.origin):
            return answer
        if answer.stored_at is None:
            answer = evolve(answer, stored_at=now)
        limit, size = self.limit(key.partition), _estimate_size(answer)
        if size <= limit // MAX_ANSWER_DIVISOR:
            partition.insert(place, answer, size)
            if place.subnet is not None:
                self._index_subnet(partition, place, place.subnet)
            while partition.octets > limit:
                self._remove(partition, next(iter(partition.entries)))
                self.counts["evicted"] += 1
        return answer

    def remove(self, key: CacheKey) -> None:
        """Forget what a query of *key* would find."""
        partition = self._partitions.get(key.partition)
        place = key if key.subnet is None else self._find_storage_key(key, key.subnet)
        if partition is not None and place in partition.entries:
            self._remove(partition, place)

    def find_all(self, name: bytes, qtype: int) -> Iterator[tuple[CacheKey, CacheEntry]]:
        """All that is kept for *name* (wire form) and *qtype*, for people: goes through everything."""
        for partition in self._partitions.values():
            for key, entry in partition.entries.items():
                if key.qname == name and key.qtype == qtype and self.is_current_origin(entry.answer.origin):
                    yield key, entry

    def flush(self, name: bytes | None = None, cohort: Cohort | None = None, partition: str | None = None) -> int:
        """Forget what is kept for *name* (wire form), *cohort* and *partition*, None = any; gives the number of it.

        What upstreams said belongs to no cohort, and goes with any.
        """
        return self.remove_matching(
            lambda key, _: name in (None, key.qname) and (cohort is None or key.cohort in (None, cohort)), partition
        )

    def remove_matching(self, unwanted: Callable[[CacheKey, Answer], bool], partition: str | None = None) -> int:
        """Forget what is *unwanted* of what is kept for *partition*, None = any; gives the number of it."""
        gone = 0
        self.generation += 1
        for held in [held for part, held in self._partitions.items() if partition in (None, part)]:
            for key in [key for key, entry in held.entries.items() if unwanted(key, entry.answer)]:
                self._remove(held, key)
                gone += 1
        return gone

    def stats(self) -> dict[str, PartitionUsage]:
        """The partitions by name."""
        return {
            name: PartitionUsage(len(partition.entries), partition.octets, self.limit(name))
            for name, partition in self._partitions.items()
        }

    def _find_storage_key(self, key: CacheKey, subnet: Subnet) -> CacheKey:
        """Where the entry is for a query with *subnet*, or NO_CLIENT_SUBNET."""
        everyone = key._replace(subnet=None)
        networks = self._subnet_indexes.get(everyone)
        return everyone if networks is None else key._replace(subnet=networks.find_longest(subnet))

    def _index_subnet(self, partition: _CachePartition, place: CacheKey, subnet: Subnet) -> None:
        """Let *place* be found by all of *subnet*."""
        networks = self._subnet_indexes.setdefault(place._replace(subnet=None), SubnetIndex())
        if (oldest := networks.add(subnet)) is not None:
            self._remove(partition, place._replace(subnet=oldest))

    def _remove(self, partition: _CachePartition, place: CacheKey) -> None:
        partition.remove(place)
        if place.subnet is not None:
            everyone = place._replace(subnet=None)
            networks = self._subnet_indexes[everyone]
            networks.remove(place.subnet)
            if not networks:
                del self._subnet_indexes[everyone]


def _make_storage_key(key: CacheKey, subnet: Subnet, answer: Answer) -> CacheKey:
    """The key under which *answer* to a query with *subnet* is kept (RFC 7871 section 7.3.1)."""
    if subnet == NO_CLIENT_SUBNET:
        return key
    if not answer.ecs_scope:
        return key._replace(subnet=None)
    return key._replace(subnet=truncate_subnet(subnet, min(answer.ecs_scope, subnet.prefix)))


def _estimate_size(answer: Answer) -> int:
    """Octets of *answer*, however many entries hold it."""
    size = ANSWER_OVERHEAD_BYTES + len(answer.body)
    for span in answer.spans:
        size += RECORD_OVERHEAD_BYTES * span.record_count
    return size
