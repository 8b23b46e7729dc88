"""Every network that anything in a tenant tests: one lookup tells all that contain an address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from radix import Radix

from graydns.model.query import Subnet

#: Numbers of networks, the longest prefix first.
Nets = tuple[int, ...]

_CHAIN = "chain"


class Networks:
    """Networks by number, in a radix tree whose every node knows the networks around it."""

    def __init__(self) -> None:
        self._tree = Radix()
        self._numbers: dict[Subnet, int] = {}

    def number(self, network: Subnet) -> int:
        """The number of *network*, adding it if it is new."""
        return self._numbers.setdefault(network, len(self._numbers))

    def __contains__(self, network: Subnet) -> bool:
        return network in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def seal(self) -> Iterator[None]:
        """Build the tree, in small steps; nothing may be added afterwards."""
        nodes: defaultdict[int, list[tuple[Any, Subnet]]] = defaultdict(list)
        for network in self._numbers:
            nodes[network.prefix].append((self._tree.add(packed=network.address, masklen=network.prefix), network))
            yield
        for prefix in sorted(nodes):  # shortest first, so that what is around a node is complete
            for node, network in nodes[prefix]:
                around = self.containing(network.address, prefix - 1) if prefix else ()
                node.data[_CHAIN] = (self._numbers[network], *around)
                yield

    def containing(self, address: bytes, prefix: int) -> Nets:
        """The networks of at most *prefix* bits that contain *address*."""
        node = self._tree.search_best(None, prefix, address)  # by position: half the time of keywords
        return () if node is None else node.data[_CHAIN]

    def release(self) -> Iterator[None]:
        """Take it apart in small steps, when nobody uses it any more."""
        while self._numbers:
            network, _ = self._numbers.popitem()
            self._tree.delete(None, network.prefix, network.address)
            yield


class MoreNetworks(Networks):
    """*base*, which is sealed and stays as it is, and a few networks beside it."""

    def __init__(self, base: Networks, more: Iterable[Subnet]) -> None:
        super().__init__()
        self._base = base
        for network in more:
            self.number(network)
        for _ in self.seal():
            pass

    def number(self, network: Subnet) -> int:
        """The number of *network*; those of *base* come before the others."""
        if network in self._base:
            return self._base.number(network)
        return self._numbers.setdefault(network, len(self._base) + len(self._numbers))

    def containing(self, address: bytes, prefix: int) -> Nets:
        """The networks of at most *prefix* bits that contain *address*."""
        nets, more = self._base.containing(address, prefix), super().containing(address, prefix)
        # What lies around an added network stands in its chain, so the rest of the base's lies within it.
        return (*[number for number in nets if number not in more], *more) if more else nets
