"""Sketch: how many distinct clients there were, told from a fixed number of octets (HyperLogLog).

Each client has a mark, a 32-bit number. It chooses one of REGISTERS, and that keeps the highest rank it has met, where
one mark in 2^n has a rank above n. A mark is a checksum, so neighbouring networks have marks with a pattern; two tables
that were drawn once and for all break it. They are the same in every process, so that sketches of several servers
can be merged.

P. Flajolet et al., "HyperLogLog", 2007; the estimate is O. Ertl's ("New cardinality estimation algorithms", 2017).

Clients: who got the answers of one kind lately, and how many different ones there were.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import shake_128
from itertools import islice
from math import inf, log
from zlib import crc32

from graydns.model.query import Client, Subnet

#: One octet each; the estimate's standard error is 1.04 / √REGISTERS, 2.3 %.
REGISTER_COUNT = 2048

#: Bits of a mark that its rank is drawn from; the largest rank is one more. Enough for millions of clients.
_RANK_BITS = 12

_TOP_BITS = int.from_bytes(b"\x80" * REGISTER_COUNT, "big")


#: Bits of a client subnet that tell clients apart, by ECS family.
CLIENT_SUBNET_BITS = {1: 24, 2: 56}

# What a key begins with; that of a subnet is its ECS option, which begins with a zero.
_SOURCE_KEY_PREFIX, _IDENTITY_KEY_PREFIX = b"\1", b"\2"


def _draw_tables() -> tuple[list[int], list[int]]:
    """For each number of _BITS bits its rank, each rank exactly as often as it should be, and some register."""
    size = 1 << _RANK_BITS
    drawn = shake_128(b"graydns sketch").digest(8 * size)
    noise = [int.from_bytes(drawn[at : at + 8], "big") for at in range(0, 8 * size, 8)]
    ranks = [0] * size
    for place, number in enumerate(sorted(range(size), key=noise.__getitem__)):
        ranks[number] = _RANK_BITS + 1 - place.bit_length()
    registers = list(range(REGISTER_COUNT))
    return ranks, [registers[word % REGISTER_COUNT] for word in noise]


#: Rank by the first 12 bits of a mark, register by the last 12; the 8 between are added to the register.
_RANK_BY_HASH, _REGISTER_BY_HASH = _draw_tables()


def make_source_key(source: bytes, identity: str | None) -> bytes:
    """The key of a client told by its *identity* if it has one, else by its address (IPv6: a /64)."""
    return _SOURCE_KEY_PREFIX + source[:8] if identity is None else _IDENTITY_KEY_PREFIX + identity.encode()


def make_subnet_key(option: bytes, prefix: int) -> bytes:
    """The key of a client subnet, cut to a /24 or a /56; *option*: data of its ECS option, with SCOPE 0."""
    most = CLIENT_SUBNET_BITS[option[1]]
    return option if prefix <= most else option[:2] + bytes((most, 0)) + option[4 : 4 + most // 8]


def make_counting_key(client: Client) -> bytes:
    """The key of a client, as the client key tells clients apart where a service does not say otherwise."""
    subnet = client.subnet
    if client.identity is not None or subnet is None or not subnet.prefix:
        return make_source_key(client.source, client.identity)
    address, prefix = subnet
    head = bytes((0, 1 if len(address) == 4 else 2, prefix, 0))
    return make_subnet_key(head + address[: (prefix + 7) // 8], prefix)


def parse_counting_key(key: bytes, tenant: str) -> Client:
    """The client behind *key* as far as it tells; its source is empty if it does not."""
    kind, rest = key[:1], key[1:]
    if kind == _IDENTITY_KEY_PREFIX:
        return Client(b"", identity=rest.decode(), tenant=tenant)
    if kind == _SOURCE_KEY_PREFIX:
        return Client(rest if len(rest) == 4 else rest.ljust(16, b"\0"), tenant=tenant)
    width = 4 if key[1] == 1 else 16
    return Client(b"", subnet=Subnet(key[4:].ljust(width, b"\0"), key[2]), tenant=tenant)


def add_to_sketch(registers: bytearray, key: bytes) -> None:
    """Count the client with this *key*, once however often it comes."""
    mark = crc32(key)
    rank = _RANK_BY_HASH[mark >> 20]
    at = _REGISTER_BY_HASH[mark & 4095] ^ mark >> 12 & 255
    if registers[at] < rank:
        registers[at] = rank


def merge_sketches(one: bytes, other: bytes) -> bytes:
    """The sketch of the clients of both: the higher rank of each register."""
    left, right = int.from_bytes(one, "big"), int.from_bytes(other, "big")
    higher = (
        (left | _TOP_BITS) - right
    ) & _TOP_BITS  # an octet's top bit: left is not below right; ranks leave it free
    mask = higher - (higher >> 7)
    return ((left & mask) | (right & (mask ^ (_TOP_BITS - (_TOP_BITS >> 7))))).to_bytes(REGISTER_COUNT, "big")


def estimate_count(registers: bytes | bytearray) -> int:
    """About how many clients have been seen."""
    counts = [0, *(registers.count(rank) for rank in range(1, _RANK_BITS + 2))]
    counts[0] = REGISTER_COUNT - sum(counts)
    total = REGISTER_COUNT * _tau(1 - counts[_RANK_BITS + 1] / REGISTER_COUNT)
    for rank in range(_RANK_BITS, 0, -1):
        total = 0.5 * (total + counts[rank])
    total += REGISTER_COUNT * _sigma(counts[0] / REGISTER_COUNT)
    return round(REGISTER_COUNT * REGISTER_COUNT / (2 * log(2) * total)) if total < inf else 0


def _sigma(part: float) -> float:
    """What registers that are still empty stand for."""
    if part == 1.0:
        return inf
    weight, total, before = 1.0, part, -1.0
    while total != before:
        part *= part
        before = total
        total += part * weight
        weight += weight
    return total


def _tau(part: float) -> float:
    """What registers at the largest rank stand for."""
    if part in (0.0, 1.0):
        return 0.0
    weight, total, before = 1.0, 1 - part, -1.0
    while total != before:
        part = part**0.5
        before = total
        weight *= 0.5
        total -= (1 - part) ** 2 * weight
    return total / 3


#: Clients whose last query is remembered, in each of two generations.
MAX_RECENT_CLIENTS = 255


class ClientCounter:
    """The clients of one Group: the *last* query of each that came lately, and the sketch of all, by windows.

    *last*: key of the client (``fast.sketch``) to the query as it came; a client that comes again and again costs one
    assignment each time, and the sketch is fed with new ones only. *registers*: the sketch of this window, fed
    directly with those whose query is remembered elsewhere (``fast.hot.Fork``, ``fast.ledger``).
    """

    __slots__ = ("_fed", "_older", "_previous_sketch", "recent", "registers")

    def __init__(self) -> None:
        self.recent: dict[bytes, bytes] = {}
        self._older: dict[bytes, bytes] = {}
        self._fed = 0
        self.registers = bytearray(REGISTER_COUNT)
        self._previous_sketch = b""

    def record(self, key: bytes, wire: bytes) -> None:
        """One query of a client."""
        self.recent[key] = wire
        if len(self.recent) > MAX_RECENT_CLIENTS:
            self.start_generation()

    def start_generation(self) -> None:
        """Make room in *last*."""
        self._feed_sketch()
        self._older, self.recent, self._fed = self.recent, {}, 0

    def rotate_window(self, *, forget: bool = False) -> None:
        """Begin a new window; *forget*: and count none of those before."""
        self.start_generation()
        self._previous_sketch, self.registers = b"" if forget else bytes(self.registers), bytearray(REGISTER_COUNT)

    def sketch(self) -> bytes:
        """The sketch of this window and the one before."""
        self._feed_sketch()
        now = bytes(self.registers)
        return merge_sketches(now, self._previous_sketch) if self._previous_sketch else now

    def count(self) -> int:
        """About how many there were in this window and the one before."""
        return estimate_count(self.sketch())

    def queries(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and last queries, the newest clients first."""
        yield from reversed(self.recent.items())
        yield from ((key, wire) for key, wire in reversed(self._older.items()) if key not in self.recent)

    def _feed_sketch(self) -> None:
        for key in islice(self.recent, self._fed, None):
            add_to_sketch(self.registers, key)
        self._fed = len(self.recent)


class NullClientCounter(ClientCounter):
    """Stands where all clients get the same, and none needs to be remembered."""

    __slots__ = ()

    def start_generation(self) -> None:
        """Forget them."""
        self.recent.clear()


#: Where all clients get the same.
NULL_CLIENT_COUNTER = NullClientCounter()
