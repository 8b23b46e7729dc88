"""Networks: the client subnets for which one question has answers of their own, and the longest that fits. Pure."""

from __future__ import annotations

from collections import Counter

from graydns.model.query import Subnet
from graydns.resolve.key import NOBODY, network

#: Networks remembered for one question; past that the oldest goes.
MOST = 100


class Networks:
    """Networks in the order in which they came, and how many have each (octets of the address, prefix length)."""

    __slots__ = ("_known", "_lengths")

    def __init__(self) -> None:
        self._known: dict[Subnet, None] = {}
        self._lengths: Counter[tuple[int, int]] = Counter()

    def __bool__(self) -> bool:
        return bool(self._known)

    def add(self, added: Subnet) -> Subnet | None:
        """Know *added*, which is new; gives the oldest, still known, if there are now more than may be."""
        self._known[added] = None
        self._lengths[len(added.address), added.prefix] += 1
        return next(iter(self._known)) if len(self._known) > MOST else None

    def remove(self, known: Subnet) -> None:
        """Forget *known*."""
        del self._known[known]
        length = len(known.address), known.prefix
        self._lengths[length] -= 1
        if not self._lengths[length]:
            del self._lengths[length]

    def longest(self, subnet: Subnet) -> Subnet | None:
        """The longest known network that holds all of *subnet*, None without one; NOBODY is held by itself only."""
        if subnet == NOBODY:
            return NOBODY if NOBODY in self._known else None
        size = len(subnet.address)
        for octets, prefix in sorted(self._lengths, reverse=True):
            if octets == size and prefix <= subnet.prefix and (found := network(subnet, prefix)) in self._known:
                return found
        return None
