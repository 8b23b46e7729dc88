"""graydns beside Unbound: the same signed hierarchy, the same faults, the same time, thousands of questions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.dnssec.world.agreement import Comparison, compare, listing, table, unexplained
from tests.dnssec.world.asking import ask_all
from tests.dnssec.world.differences import DIFFERENCES
from tests.dnssec.world.injector import Injector, injecting
from tests.dnssec.world.questions import faulty, questions
from tests.e2e.serving import serving as serving_graydns
from tests.e2e.serving import write
from tools.ports import free_ports
from tools.signed.forwarder import forwarding
from tools.signed.hierarchy import NOW, SPECS, anchors_of, build
from tools.signed.judge import judging
from tools.signed.served import serving

#: Questions for each zone of the hierarchy, and for each zone with a fault.
EACH, EACH_FAULTY = 30, 22


@pytest.fixture(scope="module")
def comparisons(require_peer: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> list[Comparison]:
    """What both say to everything."""
    require_peer("named")
    require_peer("unbound")
    folder, beside = tmp_path_factory.mktemp("world"), tmp_path_factory.mktemp("graydns")
    spoiled = faulty()
    zones = build([*SPECS, *(spec for spec, _ in spoiled.values())], NOW)
    anchors = anchors_of(zones)
    asked = [*questions(SPECS, EACH), *questions((spec for spec, _ in spoiled.values()), EACH_FAULTY)]
    with ExitStack() as held:
        upstream = held.enter_context(serving(zones, folder))
        faults = {zone.origin: (zone, spoiled[zone.spec.name][1]) for zone in zones if zone.spec.name in spoiled}
        between = held.enter_context(injecting(Injector(upstream.port, faults)))
        judge = held.enter_context(judging(folder, anchors, NOW, between))
        (port,) = free_ports(1)
        held.enter_context(serving_graydns(write(beside, configuration(port, between, anchors, NOW), {}), port))
        return compare(asked, ask_all(port, asked), ask_all(judge, asked))


def configuration(port: int, upstream: int, anchors: list[str], now: int) -> str:
    """graydns.yaml for a validating forwarder."""
    doors = f'listen: ["udp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}"]\n'
    return f"{doors}zones: null\n{forwarding(upstream, anchors, now, deadline='4s')}"


@pytest.mark.timeout(300)
def test_graydns_and_unbound_agree(comparisons: list[Comparison], tmp_path: Path) -> None:
    """On rcode and AD, but for the differences that are meant."""
    assert len(comparisons) >= 5000
    print(table(comparisons, DIFFERENCES))
    left = unexplained(comparisons, DIFFERENCES)
    (tmp_path / "disagreements.txt").write_text(listing(left, whole=True))
    assert not left, f"{len(left)} disagreements (whole answers in {tmp_path}):\n{listing(left[:50])}"


def test_every_difference_that_is_meant_exists(comparisons: list[Comparison]) -> None:
    """A reason that explains nothing is taken away."""
    wrong = [each for each in comparisons if not each.agrees]
    assert [each.why for each in DIFFERENCES if not any(each.covers(one) for one in wrong)] == []
