"""What a hot answer from Consul's catalog costs: CPU microseconds of ``Frontend.answer``, and the ratio to a zone file.

``python benchmarks/micro/catalog.py``. The names take turns, a round each, so that whatever else the machine does hits
all of them; a cost is that of the fastest round, the ratio in brackets that of the middle one.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import dns.edns
import dns.message
from attrs import frozen
from twisted.internet.task import Clock

from graydns.authority.consul.consul_zone import ConsulZoneBackend
from graydns.fast.frontend import Frontend
from graydns.fast.peer import Peer
from graydns.model.catalog import NodeView, ServiceInstance, ServiceView
from graydns.model.errors import CatalogPendingError
from graydns.model.name import from_text
from graydns.model.query import Query
from graydns.model.transport import UDP
from graydns.resolve.links.authority import NullCatalogWaiter
from graydns.server import DnsServer
from graydns.snapshot.consul_domain import ConsulZoneTemplate
from graydns.sources.snapshot_loader import load_snapshot

ROUNDS, QUERIES, SUBNETS = 60, 8192, 128

MAIN = """\
admin: null
http: null
data: {data}
upstreams: {{none: {{servers: ["udp://127.0.0.1:9"]}}}}
forward: {{}}
"""

ZONE = """\
zone: shop.test
tenant_id: shop
config_version: "1"
source: {file: data.zone}
services:
  gray.shop.test:
    versions: {only: {A: [192.0.2.1, 192.0.2.2, 192.0.2.3]}}
    default: only
    ttl: 5s
"""

DATA = """\
$ORIGIN shop.test.
$TTL 5
@ SOA ns.test. h.test. 1 3600 600 86400 60
@ NS ns.test.
one A 192.0.2.1
three A 192.0.2.1
three A 192.0.2.2
three A 192.0.2.3
"""

#: What is compared: names of the same records, the first one's from a zone file.
ONE = ("one.shop.test", "one.service.consul", "n1.node.consul")
THREE = ("three.shop.test", "gray.shop.test", "three.service.consul")


@frozen
class Catalog:
    """Services of one and of three instances, and their nodes."""

    services: dict[str, ServiceView]

    def service(self, name: str) -> ServiceView | None:
        """One of them."""
        return self.services[name]

    def node(self, name: str) -> NodeView | None:
        """Any."""
        return NODE


NODE = NodeView("n1", "192.0.2.1")


class Current(NullCatalogWaiter):
    """Whatever was answered is so still."""

    async def learn(self, missing: CatalogPendingError) -> None:
        """Nothing is missing."""

    def is_current(self, view: object) -> bool:
        """Always."""
        return True


def view(name: str, count: int) -> ServiceView:
    """A service with so many instances."""
    return ServiceView(
        name, tuple(ServiceInstance(f"n{number}", f"192.0.2.{number}", name, name) for number in range(1, count + 1))
    )


def make_server(folder: Path) -> DnsServer:
    """A server of the zone and the catalog, without listeners."""
    home = folder / "zones" / "shop.test"
    home.mkdir(parents=True)
    (folder / "graydns.yaml").write_text(MAIN.format(data=folder))
    (home / "zone-config.yaml").write_text(ZONE)
    (home / "data.zone").write_text(DATA)
    catalog = Catalog({"one": view("one", 1), "three": view("three", 3)})
    living = ConsulZoneBackend(from_text("consul"), "dc1", catalog, lambda service: 5, 5)
    snapshot = load_snapshot(folder / "graydns.yaml")[0]
    return DnsServer(
        snapshot, Clock(), cookie_secrets=(bytes(16),), domain=ConsulZoneTemplate(living), catalog_waiter=Current()
    )


def questions(name: str, subnets: int) -> list[bytes]:
    """A query, or one for each of so many client subnets."""
    options = [[dns.edns.ECSOption(f"198.51.{number}.0", 24)] for number in range(subnets)] or [[]]
    return [dns.message.make_query(name, "A", use_edns=0, options=list(each)).to_wire() for each in options]


def warm(front: Frontend, peer: Peer, wires: Sequence[bytes]) -> None:
    """Have each answered once by the pipeline, so that it is hot."""
    for wire in wires:
        said = front.answer(wire, peer)
        if isinstance(said, Query):
            resolving = front.resolve(said, peer)
            try:
                resolving.send(None)
            except StopIteration:
                continue
    assert all(isinstance(front.answer(wire, peer), bytes) for wire in wires)


def measure(front: Frontend, peer: Peer, wires: Sequence[bytes]) -> float:
    """CPU microseconds of one answer."""
    answer, turns = front.answer, range(QUERIES // len(wires))
    began = time.process_time()
    for _ in turns:
        for wire in wires:
            answer(wire, peer)
    return (time.process_time() - began) / QUERIES * 1e6


def compare(front: Frontend, peer: Peer, names: Sequence[str], subnets: int) -> None:
    """Measure *names*, and print each beside the first."""
    wires = [questions(name, subnets) for name in names]
    for each in wires:
        warm(front, peer, each)
    rounds = [[measure(front, peer, each) for each in wires] for _ in range(ROUNDS)]
    best = [min(column) for column in zip(*rounds, strict=True)]
    kind = f"by one of {subnets} subnets" if subnets else "without a subnet"
    for at, name in enumerate(names):
        middle = statistics.median(each[at] / each[0] for each in rounds)
        print(f"{name:<22} {kind:<24} {best[at]:6.3f} µs  x {best[at] / best[0]:.2f} (x {middle:.2f})", flush=True)


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory(prefix="graydns-catalog-") as name:
        front = make_server(Path(name)).front
        peer = front.peer("127.0.0.1", UDP)
        for names in (ONE, THREE):
            for subnets in (0, SUBNETS):
                compare(front, peer, names, subnets)


if __name__ == "__main__":
    main()
