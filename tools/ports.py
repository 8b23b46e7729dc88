"""Ports of loopback for servers that tests and measurements start."""

from __future__ import annotations

import random
import socket
from pathlib import Path

#: Below it are ports that other programs of a machine like to listen on.
LOWEST = 10_000

#: The kernel's own choice begins here where it does not say otherwise.
FIRST_OF_THE_KERNEL = 32_768

#: So many ports are worth choosing among.
ENOUGH = 1_000

#: Given out by this process already: a server may not have bound its port yet, or may want it again.
_given: set[int] = set()

#: Two test runs on one machine, or a seeded one, must not choose alike.
_dice = random.SystemRandom()


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Distinct ports that are free right now at *host*, for UDP and TCP alike, none of them given out before.

    They are not among those that the kernel gives to clients: there, a connection that somebody opens in the meantime
    would take the port of a server that is about to start, or of one that is started again.
    """
    last = _first_of_the_kernel() - 1
    choice = range(LOWEST, last + 1) if last - LOWEST >= ENOUGH else range(LOWEST, 1 << 16)
    if len(_given) + count > len(choice) // 2:
        _given.clear()
    ports: list[int] = []
    while len(ports) < count:
        port = _dice.choice(choice)
        if port not in _given and _is_free(port, host):
            _given.add(port)
            ports.append(port)
    return ports


def _first_of_the_kernel() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return FIRST_OF_THE_KERNEL


def _is_free(port: int, host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as tried:
            try:
                tried.bind((host, port))
            except OSError:
                return False
    return True
