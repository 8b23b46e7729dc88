"""Memory: resident with the demo, and per cached answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from attrs import define, frozen

from benchmarks.load import Drive, load
from benchmarks.measure import LOST_AT_MOST, running
from benchmarks.questions import misses
from benchmarks.servers.graydns import Graydns, twistd
from benchmarks.servers.server import HOST, Server, World
from benchmarks.usage import resident_bytes
from benchmarks.wirefile import Question, write
from tools import peers
from tools.process import NotReady

#: Answers in the cache when counting begins, and those that are then added.
FIRST, ADDED = 20_000, 100_000

#: Seconds that filling a cache may take.
_PATIENCE = 60.0


@frozen
class Demo(Graydns):
    """graydns with the demo's own configuration, on other ports and with data of its own."""

    ready_name: ClassVar[str] = "www.shop.test"

    @property
    def label(self) -> str:
        return "graydns, demo"

    def prepare(self, folder: Path, port: int, tls_port: int, world: World) -> list[str]:
        text = (peers.ROOT / "graydns.yaml").read_text()
        listen = f'listen: ["udp://{HOST}:{port}", "tcp://{HOST}:{port}", "tls://{HOST}:{tls_port}"]'
        text = re.sub(r"^listen:.*$", listen, text, flags=re.MULTILINE)
        text = re.sub(r"^zones:.*$", f"zones: {peers.ROOT / 'zones'}/", text, flags=re.MULTILINE)
        (folder / "graydns.yaml").write_text(text)
        return twistd(folder / "graydns.yaml")


@define
class Weight:
    """A number of bytes, or why there is none."""

    label: str
    what: str
    value: float = 0.0
    at_most: float | None = None
    refused: str = ""


def demo_weight(world: World, at_most: float) -> Weight:
    """Resident bytes of the demo once it has answered every kind of client."""
    weight = Weight("graydns", "resident with the demo, bytes", at_most=at_most)
    asked = [Question(name, 1, (11, 0, number)) for number in range(200) for name in ("www.shop.test", "api.shop.test")]
    file = write(world.folder / "demo", asked)
    with running({demo := Demo()}, world) as servers:
        if isinstance(server := servers[demo], NotReady):
            weight.refused = str(server)
            return weight
        outcome = load(Drive("udp"), server, file, 5.0, once=True, core=world.load_core)
        weight.value = resident_bytes(server.process.pid)
    if set(outcome.rcodes) != {"NOERROR"}:
        weight.refused = f"answers were {outcome.rcodes}"
    return weight


def cached_weight(server: Server, world: World, at_most: float | None, added: int = ADDED) -> Weight:
    """By how many resident bytes a forwarder grows with each different answer that it remembers."""
    weight = Weight(server.label, "bytes per cached answer", at_most=at_most)
    with running({server}, world) as servers:
        if isinstance(started := servers[server], NotReady):
            weight.refused = str(started)
            return weight
        sizes = []
        for round_, count in ((-1, FIRST), (-2, added)):
            file = misses(world.folder, round_, count).file
            outcome = load(Drive("udp"), started, file, _PATIENCE, once=True, core=world.load_core)
            if outcome.sent < count or outcome.lost > LOST_AT_MOST:
                weight.refused = f"{outcome.sent} of {count} names asked, {outcome.lost} lost"
                return weight
            sizes.append(resident_bytes(started.process.pid))
    weight.value = (sizes[1] - sizes[0]) / added
    return weight
