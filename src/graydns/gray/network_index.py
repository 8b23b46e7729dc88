"""Every network that anything in a tenant tests: one lookup tells all that contain an address.

Networks stand in a dictionary for each prefix length, and lengths are searched by halving (M. Waldvogel and others,
"Scalable High Speed IP Routing Lookups", 1997): a hit says "nothing shorter matters", a miss "nothing longer". So that
a hit leads on to longer networks, each leaves markers in the dictionaries on its way. A lookup asks one dictionary for
one length, five for thirty-one, eight at most, however many networks there are; a radix tree of
100,000 took four times as long, as its nodes lie all over memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from graydns.model.client import Subnet

#: Numbers of networks, the longest prefix first.
NetworkNumbers = tuple[int, ...]


class PrefixLevel(NamedTuple):
    """The networks of one length, and where to go on. *shift*: bits after the prefix.

    *table*: by the bits of the prefix, the networks that contain it; markers lead to *longer* ones.
    """

    length: int
    shift: int
    table: dict[int, NetworkNumbers]
    longer: PrefixLevel | None
    shorter: PrefixLevel | None


class NetworkIndex:
    """Networks by number."""

    def __init__(self) -> None:
        self._numbers: dict[Subnet, int] = {}
        self._levels: dict[int, PrefixLevel | None] = {4: None, 16: None}

    def assign_number(self, network: Subnet) -> int:
        """The number of *network*, adding it if it is new."""
        return self._numbers.setdefault(network, len(self._numbers))

    def __contains__(self, network: Subnet) -> bool:
        return network in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def build(self) -> Iterator[None]:
        """Build the dictionaries, in small steps; nothing may be added afterwards."""
        by_length: defaultdict[int, list[Subnet]] = defaultdict(list)
        lengths: dict[int, set[int]] = {4: set(), 16: set()}
        for network in self._numbers:
            by_length[network.prefix].append(network)
            lengths[len(network.address)].add(network.prefix)
            yield
        self._levels = {size: _build_levels(sorted(found), 8 * size) for size, found in lengths.items()}
        for length in sorted(by_length):  # shortest first, so that what is around a network is there
            for network in by_length[length]:
                self._insert(network)
                yield

    def find_containing(self, address: bytes, prefix: int) -> NetworkNumbers:
        """The networks of at most *prefix* bits that contain *address*."""
        found: NetworkNumbers = ()
        rung = self._levels[len(address)]
        number = int.from_bytes(address, "big")
        while rung is not None:
            length, shift, table, longer, shorter = rung
            if length <= prefix and (nets := table.get(number >> shift)) is not None:
                found, rung = nets, longer
            else:
                rung = shorter
        return found

    def reclaim_steps(self) -> Iterator[None]:
        """Take it apart in small steps, when it is not used any more."""
        for table in (table for ladder in self._levels.values() for table in _level_tables(ladder)):
            while table:
                table.popitem()
                yield
        while self._numbers:
            self._numbers.popitem()
            yield

    def _insert(self, network: Subnet) -> None:
        """Add *network*, around which nothing will be added any more, and markers for it in shorter lengths."""
        address, prefix = network
        number, rung = int.from_bytes(address, "big"), self._levels[len(address)]
        while rung is not None and rung.length != prefix:
            if rung.length > prefix:
                rung = rung.shorter
                continue
            if number >> rung.shift not in rung.table:
                rung.table[number >> rung.shift] = NetworkIndex.find_containing(self, address, rung.length)
            rung = rung.longer
        if rung is not None:
            rung.table[number >> rung.shift] = (self.assign_number(network), *self.find_containing(address, prefix - 1))


def _build_levels(lengths: Sequence[int], bits: int) -> PrefixLevel | None:
    """A balanced tree of *lengths*, which ascend, for addresses of *bits*."""
    if not lengths:
        return None
    middle = len(lengths) // 2
    longer, shorter = _build_levels(lengths[middle + 1 :], bits), _build_levels(lengths[:middle], bits)
    return PrefixLevel(lengths[middle], bits - lengths[middle], {}, longer, shorter)


def _level_tables(rung: PrefixLevel | None) -> Iterator[dict[int, NetworkNumbers]]:
    if rung is not None:
        yield rung.table
        yield from _level_tables(rung.longer)
        yield from _level_tables(rung.shorter)


class ExtendedNetworkIndex(NetworkIndex):
    """*base*, which is sealed and stays as it is, and a few networks beside it."""

    def __init__(self, base: NetworkIndex, more: Iterable[Subnet]) -> None:
        super().__init__()
        self._base = base
        for network in more:
            self.assign_number(network)
        for _ in self.build():
            pass

    def assign_number(self, network: Subnet) -> int:
        """The number of *network*; those of *base* come before the others."""
        if network in self._base:
            return self._base.assign_number(network)
        return self._numbers.setdefault(network, len(self._base) + len(self._numbers))

    def find_containing(self, address: bytes, prefix: int) -> NetworkNumbers:
        """The networks of at most *prefix* bits that contain *address*."""
        nets, more = self._base.find_containing(address, prefix), super().find_containing(address, prefix)
        # What lies around an added network stands in its chain, so the rest of the base's lies within it.
        return (*[number for number in nets if number not in more], *more) if more else nets
