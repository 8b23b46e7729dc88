"""Asking at a given rate, whether answers come or not, and measuring how long each took."""

from __future__ import annotations

import random
import select
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from attrs import define, field

#: Seconds that answers are waited for at the end.
PATIENCE = 3.0

#: Names questions that are asked: gives the wire form of a new one, its id 0.
Kind = Callable[[], bytes]


@define
class Paced:
    """What came of the queries of each kind. *seconds*: from when a query was due to its answer, so that waiting to be
    sent counts too. *late*: seconds that one was sent after it was due, at most: what the client's machine did.
    """

    sent: Counter[str] = field(factory=Counter)
    seconds: dict[str, list[float]] = field(factory=lambda: defaultdict(list))
    rcodes: dict[str, Counter[int]] = field(factory=lambda: defaultdict(Counter))
    late: float = 0.0

    def lost(self, kind: str) -> int:
        """Queries without answer."""
        return self.sent[kind] - len(self.seconds[kind])


def ask_paced(port: int, kinds: Mapping[str, tuple[float, Kind]], rate: float, seconds: float) -> Paced:
    """Ask *rate* questions a second at *port* of 127.0.0.1; of each kind the share that stands before it."""
    names, shares = list(kinds), [share for share, _ in kinds.values()]
    order = random.Random(1).choices(names, shares, k=int(rate * seconds))
    paced, waiting = Paced(), dict[int, tuple[str, float]]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        began, following = time.monotonic(), 0
        while following < len(order) or waiting:
            now = time.monotonic()
            while following < len(order) and (due := began + following / rate) <= now:
                kind, number = order[following], following % 65536
                wire = kinds[kind][1]()
                client.send(number.to_bytes(2) + wire[2:])
                paced.late = max(paced.late, now - due)
                paced.sent[kind] += 1
                waiting[number] = kind, due
                following += 1
            if following == len(order) and now > began + seconds + PATIENCE:
                break
            rest = began + following / rate - now if following < len(order) else 0.1
            if select.select([client], [], [], max(rest, 0.0))[0]:
                _take(client, waiting, paced)
    return paced


def _take(client: socket.socket, waiting: dict[int, tuple[str, float]], paced: Paced) -> None:
    """All answers that are there."""
    while True:
        try:
            reply = client.recv(4096)
        except BlockingIOError:
            return
        kind, due = waiting.pop(int.from_bytes(reply[:2]), (None, 0.0))
        if kind is not None:
            paced.seconds[kind].append(time.monotonic() - due)
            paced.rcodes[kind][reply[3] & 15] += 1
