"""Sketch: how many distinct clients there were, told from a fixed number of octets (HyperLogLog).

Each client has a mark, a 32-bit number. It chooses one of REGISTERS, and that keeps the highest rank it has met, where
one mark in 2^n has a rank above n. A mark is a checksum, so neighbouring networks have marks with a pattern; two tables
that were drawn once and for all break it. They are the same in every process, so that sketches of several servers
can be merged.

P. Flajolet et al., "HyperLogLog", 2007; the estimate is O. Ertl's ("New cardinality estimation algorithms", 2017).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import shake_128
from math import inf, log
from zlib import crc32

from graydns.model.query import Client

#: One octet each; the estimate's standard error is 1.04 / √REGISTERS, 2.3 %.
REGISTERS = 2048

#: Bits of a mark that its rank is drawn from; the largest rank is one more. Enough for millions of clients.
_BITS = 12

_HIGH = int.from_bytes(b"\x80" * REGISTERS, "big")

#: Octets of the address of a client subnet that tell clients apart (a /24, a /56), by how many it has.
_SUBNET_OCTETS = {4: 3, 16: 7}


def _draw() -> tuple[list[int], list[int]]:
    """For each number of _BITS bits its rank, each rank exactly as often as it should be, and some register."""
    size = 1 << _BITS
    drawn = shake_128(b"graydns sketch").digest(8 * size)
    noise = [int.from_bytes(drawn[at : at + 8], "big") for at in range(0, 8 * size, 8)]
    ranks = [0] * size
    for place, number in enumerate(sorted(range(size), key=noise.__getitem__)):
        ranks[number] = _BITS + 1 - place.bit_length()
    registers = list(range(REGISTERS))
    return ranks, [registers[word % REGISTERS] for word in noise]


#: Rank by the first 12 bits of a mark, register by the last 12; the 8 between are added to the register.
_RANKS, _SHUFFLED = _draw()


def source_key(source: bytes, identity: str | None) -> bytes:
    """The key of a client told by its *identity* if it has one, else by its address (IPv6: a /64).

    Longer than 16 octets, or 5 or 9, so that no client subnet has it; the key of that is its address.
    """
    return b"\1" + source[:8] if identity is None else bytes(17) + identity.encode()


def key_of(client: Client) -> bytes:
    """The key of a client, as the client key tells clients apart where a service does not say otherwise."""
    subnet = client.subnet
    if client.identity is not None or subnet is None or not subnet.prefix:
        return source_key(client.source, client.identity)
    return subnet.address


def see(registers: bytearray, keys: Iterable[bytes]) -> None:
    """Count the clients with these *keys*, each once however often it comes."""
    for key in keys:
        mark = crc32(key[: _SUBNET_OCTETS.get(len(key))])
        rank = _RANKS[mark >> 20]
        at = _SHUFFLED[mark & 4095] ^ mark >> 12 & 255
        if registers[at] < rank:
            registers[at] = rank


def merged(one: bytes, other: bytes) -> bytes:
    """The sketch of the clients of both: the higher rank of each register."""
    left, right = int.from_bytes(one, "big"), int.from_bytes(other, "big")
    higher = ((left | _HIGH) - right) & _HIGH  # an octet's top bit: left is not below right; ranks leave it free
    mask = higher - (higher >> 7)
    return ((left & mask) | (right & (mask ^ (_HIGH - (_HIGH >> 7))))).to_bytes(REGISTERS, "big")


def estimate(registers: bytes | bytearray) -> int:
    """About how many clients have been seen."""
    counts = [registers.count(rank) for rank in range(_BITS + 2)]
    total = REGISTERS * _tau(1 - counts[_BITS + 1] / REGISTERS)
    for rank in range(_BITS, 0, -1):
        total = 0.5 * (total + counts[rank])
    total += REGISTERS * _sigma(counts[0] / REGISTERS)
    return round(REGISTERS * REGISTERS / (2 * log(2) * total)) if total < inf else 0


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
