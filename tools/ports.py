"""Ports of loopback for servers that tests and measurements start."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

#: Below it are ports that other programs of a machine like to listen on.
LOWEST = 10_000

#: The first ephemeral port where the kernel does not say otherwise.
DEFAULT_FIRST_EPHEMERAL = 32_768

#: The smallest range below the ephemeral ports that is used; a smaller one is replaced by all ports from LOWEST.
MIN_RANGE = 1_000

#: A process reserves this many consecutive ports at a time.
BLOCK_SIZE = 100

#: Two test runs on one machine, or a seeded one, must not choose alike.
_random = random.SystemRandom()

#: The sockets whose names reserve blocks for this process, until it ends.
_reservations: list[socket.socket] = []


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Distinct ports that are free right now at *host*, for UDP and TCP alike, none of them given out before.

    They come from blocks that this process has reserved: no other process of the machine, such as another worker of
    pytest-xdist, gets the same ports from here. They are outside the ephemeral range: there, a connection that
    somebody opens in the meantime would take the port of a server that is about to start, or is started again.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = next(_ports)
        if _is_free(port, host):
            ports.append(port)
    return ports


def _reserved_ports() -> Iterator[int]:
    """The ports of one block after the other; where every block is reserved, those of this process once more."""
    own: list[range] = []
    while True:
        blocks = [_block(first) for first in _candidates()]
        reserved = next((block for block in _random.sample(blocks, len(blocks)) if _reserve(block)), None)
        if reserved is not None:
            own.append(reserved)
            yield from reserved
            continue
        for block in own or blocks:
            yield from block


def _candidates() -> range:
    last = _first_ephemeral() - 1
    within = range(LOWEST, last + 1) if last - LOWEST >= MIN_RANGE else range(LOWEST, 1 << 16)
    return within[: len(within) - BLOCK_SIZE + 1 : BLOCK_SIZE]


def _block(first: int) -> range:
    return range(first, first + BLOCK_SIZE)


def _reserve(block: range) -> bool:
    """Whether this process now holds *block*. The name lives as long as the process, in the namespace of the ports."""
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0graydns-test-ports-{block.start}")
    except OSError:
        holder.close()
        return False
    _reservations.append(holder)
    return True


_ports = _reserved_ports()


def _first_ephemeral() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return DEFAULT_FIRST_EPHEMERAL


def _is_free(port: int, host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as tried:
            try:
                tried.bind((host, port))
            except OSError:
                return False
    return True
