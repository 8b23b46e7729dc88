"""Store: answers by key, bounded in octets for each partition, the least recently used going first. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from attrs import define, evolve, field

from graydns.model.answer import Answer
from graydns.model.decision import Cohort
from graydns.model.query import Subnet
from graydns.resolve.key import NOBODY, Key, network
from graydns.resolve.networks import Networks

#: Octets that an entry takes beside its name, an answer beside its body and records, and a record beside its bytes (the
#: place of its TTL, a part of a Span); measured by benchmarks/micro/store.py and rounded up.
ENTRY_SIZE, ANSWER_SIZE, RECORD_SIZE = 290, 360, 40

#: An answer larger than this part of its partition is not kept: it would push out too many others.
LARGEST_PART = 8


class Entry:
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
        return answer.ttl + (answer.stored or 0.0)


class Usage(NamedTuple):
    """What a partition holds and may hold."""

    entries: int
    octets: int
    limit: int


class _Partition:
    """*entries*: the least recently used first. *holders*: how many entries have an answer, whose octets count once."""

    __slots__ = ("entries", "holders", "octets")

    def __init__(self) -> None:
        self.entries: OrderedDict[Key, Entry] = OrderedDict()
        self.holders: dict[Answer, int] = {}
        self.octets = 0

    def insert(self, place: Key, answer: Answer, size: int) -> None:
        """Have *answer* of *size* octets at *place*, where nothing is."""
        self.entries[place] = Entry(answer)
        self.holders[answer] = holders = self.holders.get(answer, 0) + 1
        self.octets += ENTRY_SIZE + len(place.qname) + (size if holders == 1 else 0)

    def remove(self, place: Key) -> None:
        """Have nothing at *place*."""
        answer = self.entries.pop(place).answer
        self.octets -= ENTRY_SIZE + len(place.qname)
        if (holders := self.holders.pop(answer) - 1) > 0:
            self.holders[answer] = holders
        else:
            self.octets -= _size(answer)


@define(eq=False)
class Store:
    """Answers of both caches; outlives reloads.

    *limit*: octets that a partition may take. *current*: whether an origin is part of the running Snapshot; an answer
    of any other is neither kept nor found. *counts*: events since the start, by name. *era*: how often some were
    forgotten; what was asked for before that is not kept after it.
    """

    limit: Callable[[str], int] = field(repr=False)
    current: Callable[[object], bool] = field(repr=False)
    counts: Counter[str] = field(init=False, factory=Counter, repr=False)
    era: int = field(init=False, default=0)
    _partitions: dict[str, _Partition] = field(init=False, factory=dict, repr=False)
    _networks: dict[Key, Networks] = field(init=False, factory=dict, repr=False)

    def find(self, key: Key) -> Entry | None:
        """The entry for a query of *key*, fresh or not: of the longest network with its subnet, else for everyone."""
        if (partition := self._partitions.get(key.partition)) is None:
            return None
        place = key if key.subnet is None else self._longest(key, key.subnet)
        entry = partition.entries.get(place)
        if entry is None:
            return None
        if not self.current(entry.answer.origin):
            self._remove(partition, place)
            return None
        partition.entries.move_to_end(place)
        return entry

    def keep(self, key: Key, answer: Answer, now: float, era: int | None = None) -> Answer:
        """Remember *answer* to a query of *key*; gives it back with the time since which its TTLs run.

        It replaces what was there. An answer that may not be reused is not kept and leaves nothing in its place. One
        that was asked for in an *era* that is over is for those who wait for it, and nobody else.
        """
        if era not in (None, self.era):
            return evolve(answer, stored=None)
        if (partition := self._partitions.get(key.partition)) is None:
            partition = self._partitions[key.partition] = _Partition()
        place = key if key.subnet is None else _place_of(key, key.subnet, answer)
        if (entry := partition.entries.get(place)) is not None:
            if entry.answer is answer:
                return answer  # one of many who waited for it was here first
            self._remove(partition, place)
        if answer.ttl <= 0 or not self.current(answer.origin):
            return answer
        if answer.stored is None:
            answer = evolve(answer, stored=now)
        limit, size = self.limit(key.partition), _size(answer)
        if size <= limit // LARGEST_PART:
            partition.insert(place, answer, size)
            if place.subnet is not None:
                self._file(partition, place, place.subnet)
            while partition.octets > limit:
                self._remove(partition, next(iter(partition.entries)))
                self.counts["evicted"] += 1
        return answer

    def forget(self, key: Key) -> None:
        """Forget what a query of *key* would find."""
        partition = self._partitions.get(key.partition)
        place = key if key.subnet is None else self._longest(key, key.subnet)
        if partition is not None and place in partition.entries:
            self._remove(partition, place)

    def look_up(self, name: bytes, qtype: int) -> Iterator[tuple[Key, Entry]]:
        """All that is kept for *name* (wire form) and *qtype*, for people: goes through everything."""
        for partition in self._partitions.values():
            for key, entry in partition.entries.items():
                if key.qname == name and key.qtype == qtype and self.current(entry.answer.origin):
                    yield key, entry

    def flush(self, name: bytes | None = None, cohort: Cohort | None = None, partition: str | None = None) -> int:
        """Forget what is kept for *name* (wire form), *cohort* and *partition*, None = any; gives the number of it.

        What upstreams said belongs to no cohort, and goes with any.
        """
        return self.discard(
            lambda key, _: name in (None, key.qname) and (cohort is None or key.cohort in (None, cohort)), partition
        )

    def discard(self, unwanted: Callable[[Key, Answer], bool], partition: str | None = None) -> int:
        """Forget what is *unwanted* of what is kept for *partition*, None = any; gives the number of it."""
        gone = 0
        self.era += 1
        for held in [held for part, held in self._partitions.items() if partition in (None, part)]:
            for key in [key for key, entry in held.entries.items() if unwanted(key, entry.answer)]:
                self._remove(held, key)
                gone += 1
        return gone

    def stats(self) -> dict[str, Usage]:
        """The partitions by name."""
        return {
            name: Usage(len(partition.entries), partition.octets, self.limit(name))
            for name, partition in self._partitions.items()
        }

    def _longest(self, key: Key, subnet: Subnet) -> Key:
        """Where the entry stands for a query that tells *subnet*, or would, NOBODY."""
        everyone = key._replace(subnet=None)
        networks = self._networks.get(everyone)
        return everyone if networks is None else key._replace(subnet=networks.longest(subnet))

    def _file(self, partition: _Partition, place: Key, subnet: Subnet) -> None:
        """Let *place* be found by all of *subnet*."""
        networks = self._networks.setdefault(place._replace(subnet=None), Networks())
        if (oldest := networks.add(subnet)) is not None:
            self._remove(partition, place._replace(subnet=oldest))

    def _remove(self, partition: _Partition, place: Key) -> None:
        partition.remove(place)
        if place.subnet is not None:
            everyone = place._replace(subnet=None)
            networks = self._networks[everyone]
            networks.remove(place.subnet)
            if not networks:
                del self._networks[everyone]


def _place_of(key: Key, subnet: Subnet, answer: Answer) -> Key:
    """The key under which *answer* to a query that told *subnet* is kept (RFC 7871 section 7.3.1)."""
    if subnet == NOBODY:
        return key
    if not answer.scope:
        return key._replace(subnet=None)
    return key._replace(subnet=network(subnet, min(answer.scope, subnet.prefix)))


def _size(answer: Answer) -> int:
    """Octets of *answer*, however many entries hold it."""
    size = ANSWER_SIZE + len(answer.body)
    for span in answer.spans:
        size += RECORD_SIZE * span.size
    return size
