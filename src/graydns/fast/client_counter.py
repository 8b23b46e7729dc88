"""The number of distinct clients, estimated from a fixed number of octets (HyperLogLog); and their last queries.

The hash of a client's key, 32 bits, chooses a register, and the register keeps the highest rank seen; one hash in 2^n
has a rank above n. The hash is a CRC, so neighbouring networks have similar ones; two fixed pseudo-random tables remove
the pattern. They are the same in every process, so that sketches of several servers can be merged.

P. Flajolet et al., "HyperLogLog", 2007; the estimate is O. Ertl's ("New cardinality estimation algorithms", 2017).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import shake_128
from itertools import islice
from math import inf, log
from zlib import crc32

from graydns.model.client import Client, Subnet

#: Registers of one octet; the standard error of the estimate is 1.04 / √REGISTER_COUNT, 2.3 %.
REGISTER_COUNT = 2048

#: Bits of a hash that give its rank; the largest rank is one more. Enough for millions of clients.
_RANK_BITS = 12

_TOP_BITS = int.from_bytes(b"\x80" * REGISTER_COUNT, "big")


#: Bits of a client subnet by which clients are counted, by ECS family.
CLIENT_SUBNET_BITS = {1: 24, 2: 56}

# First octet of a key; the key of a subnet is its ECS option, which begins with a zero.
_SOURCE_KEY_PREFIX, _IDENTITY_KEY_PREFIX = b"\1", b"\2"


def _draw_tables() -> tuple[list[int], list[int]]:
    """For each number of _RANK_BITS bits a rank, each rank exactly as often as it should be, and a register."""
    size = 1 << _RANK_BITS
    drawn = shake_128(b"graydns sketch").digest(8 * size)
    noise = [int.from_bytes(drawn[at : at + 8], "big") for at in range(0, 8 * size, 8)]
    ranks = [0] * size
    for place, number in enumerate(sorted(range(size), key=noise.__getitem__)):
        ranks[number] = _RANK_BITS + 1 - place.bit_length()
    registers = list(range(REGISTER_COUNT))
    return ranks, [registers[word % REGISTER_COUNT] for word in noise]


#: Rank by the first 12 bits of a hash, register by the last 12; the 8 bits between are XORed into the register.
_RANK_BY_HASH, _REGISTER_BY_HASH = _draw_tables()


def make_source_key(source: bytes, identity: str | None) -> bytes:
    """The counting key of a client: its *identity* if it has one, else its packed address (IPv6: the /64)."""
    return _SOURCE_KEY_PREFIX + source[:8] if identity is None else _IDENTITY_KEY_PREFIX + identity.encode()


def make_subnet_key(option: bytes, prefix: int) -> bytes:
    """The counting key of a client subnet, cut to a /24 or a /56; *option*: data of its ECS option, with SCOPE 0."""
    max_bits = CLIENT_SUBNET_BITS[option[1]]
    return option if prefix <= max_bits else option[:2] + bytes((max_bits, 0)) + option[4 : 4 + max_bits // 8]


def make_counting_key(client: Client) -> bytes:
    """The counting key of a client: identity, else subnet, else address, as the default client key of a service."""
    subnet = client.subnet
    if client.identity is not None or subnet is None or not subnet.prefix:
        return make_source_key(client.source, client.identity)
    address, prefix = subnet
    head = bytes((0, 1 if len(address) == 4 else 2, prefix, 0))
    return make_subnet_key(head + address[: (prefix + 7) // 8], prefix)


def parse_counting_key(key: bytes, tenant: str) -> Client:
    """The client with *key*, as far as the key contains it; its source is empty if the key has none."""
    kind, rest = key[:1], key[1:]
    if kind == _IDENTITY_KEY_PREFIX:
        return Client(b"", identity=rest.decode(), tenant=tenant)
    if kind == _SOURCE_KEY_PREFIX:
        return Client(rest if len(rest) == 4 else rest.ljust(16, b"\0"), tenant=tenant)
    width = 4 if key[1] == 1 else 16
    return Client(b"", subnet=Subnet(key[4:].ljust(width, b"\0"), key[2]), tenant=tenant)


def add_to_sketch(registers: bytearray, key: bytes) -> None:
    """Count the client with this *key*; counting it again changes nothing."""
    digest = crc32(key)
    rank = _RANK_BY_HASH[digest >> 20]
    at = _REGISTER_BY_HASH[digest & 4095] ^ digest >> 12 & 255
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
    """The estimated number of clients counted."""
    counts = [0, *(registers.count(rank) for rank in range(1, _RANK_BITS + 2))]
    counts[0] = REGISTER_COUNT - sum(counts)
    total = REGISTER_COUNT * _tau(1 - counts[_RANK_BITS + 1] / REGISTER_COUNT)
    for rank in range(_RANK_BITS, 0, -1):
        total = 0.5 * (total + counts[rank])
    total += REGISTER_COUNT * _sigma(counts[0] / REGISTER_COUNT)
    return round(REGISTER_COUNT * REGISTER_COUNT / (2 * log(2) * total)) if total < inf else 0


def _sigma(part: float) -> float:
    """The share of registers that are still empty, in Ertl's estimate."""
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
    """The share of registers at the largest rank, in Ertl's estimate."""
    if part in (0.0, 1.0):
        return 0.0
    weight, total, before = 1.0, 1 - part, -1.0
    while total != before:
        part = part**0.5
        before = total
        weight *= 0.5
        total -= (1 - part) ** 2 * weight
    return total / 3


#: Clients whose last query is stored, in each of two generations.
MAX_RECENT_CLIENTS = 255


class ClientCounter:
    """The clients of one CounterGroup: the last query of each recent one, and a sketch of all, by windows.

    *recent*: counting key to the query as received; a returning client costs one assignment, and only new ones are
    added to the sketch. *registers*: the sketch of this window; clients whose query is stored elsewhere (HotVariants,
    AnswerLog) are added to it directly.
    """

    __slots__ = ("_fed", "_older", "_previous_sketch", "recent", "registers")

    def __init__(self) -> None:
        self.recent: dict[bytes, bytes] = {}
        self._older: dict[bytes, bytes] = {}
        self._fed = 0
        self.registers = bytearray(REGISTER_COUNT)
        self._previous_sketch = b""

    def record(self, key: bytes, wire: bytes) -> None:
        """Store one query of a client."""
        self.recent[key] = wire
        if len(self.recent) > MAX_RECENT_CLIENTS:
            self.start_generation()

    def start_generation(self) -> None:
        """Make room in *recent*."""
        self._feed_sketch()
        self._older, self.recent, self._fed = self.recent, {}, 0

    def rotate_window(self, *, forget: bool = False) -> None:
        """Begin a new window; *forget*: without the clients of the window before."""
        self.start_generation()
        self._previous_sketch, self.registers = b"" if forget else bytes(self.registers), bytearray(REGISTER_COUNT)

    def sketch(self) -> bytes:
        """The sketch of this window and the one before, merged."""
        self._feed_sketch()
        now = bytes(self.registers)
        return merge_sketches(now, self._previous_sketch) if self._previous_sketch else now

    def count(self) -> int:
        """The estimated number of clients in this window and the one before."""
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
    """Used where all clients get the same answer, so that none has to be counted."""

    __slots__ = ()

    def start_generation(self) -> None:
        """Drop the queries."""
        self.recent.clear()


#: Used where all clients get the same answer.
NULL_CLIENT_COUNTER = NullClientCounter()
