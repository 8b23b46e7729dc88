"""Rounds: how often is asked for what has changed, and for what only may have."""

from __future__ import annotations

from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from graydns.model.catalog import ServiceView
from graydns.sources.consul.catalog_file import CatalogEntry, CatalogKey
from graydns.sources.consul.refresh_scheduler import (
    MAX_ROUND_INTERVAL_SECONDS,
    MIN_ROUND_INTERVAL_SECONDS,
    RefreshScheduler,
)


@define
class Scene:
    """A hundred services of which *changing* are others each time they are asked for; *asked*: when, and for which."""

    clock: Clock = field(factory=Clock)
    members: dict[CatalogKey, CatalogEntry] = field(factory=dict)
    changing: set[str] = field(factory=set)
    asked: list[tuple[float, str]] = field(factory=list)
    reached: bool = True
    rounds: RefreshScheduler = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rounds = RefreshScheduler(self.clock, self.members, self.ask, self.run, 60.0)
        for number in range(100):
            kept = CatalogEntry(
                ("service", f"s{number}"), ServiceView(f"s{number}"), is_current=True, recently_used=False
            )
            self.members[kept.key] = kept

    def run(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        Deferred.fromCoroutine(work)

    async def ask(self, kept: CatalogEntry) -> bool:
        self.asked.append((self.clock.seconds(), kept.key[1]))
        kept.is_current, kept.may_have_changed = self.reached, False
        if kept.key[1] in self.changing:
            kept.view = ServiceView(kept.key[1])
        return self.reached

    def unsure(self) -> None:
        """Something was registered somewhere."""
        for kept in self.members.values():
            kept.may_have_changed = True
        self.rounds.schedule()

    def churn(self, seconds: float) -> list[float]:
        """Have that ten times a second; when rounds began."""
        self.asked.clear()
        for _ in range(int(seconds * 10)):
            self.unsure()
            self.clock.advance(0.1)
        return sorted({at for at, _ in self.asked})


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_registrations_elsewhere_cost_ever_less(scene: Scene) -> None:
    """The first is looked into at once, then at longer and longer intervals; after a quiet time at once again."""
    began = scene.churn(60)
    gaps = [later - earlier for earlier, later in pairwise(began)]
    assert began[0] <= 0.1
    assert max(gaps) <= MAX_ROUND_INTERVAL_SECONDS + 0.2
    assert len(began) < 15
    scene.clock.pump([0.1] * int(30 * MAX_ROUND_INTERVAL_SECONDS))
    again = scene.churn(1)
    assert again[1] - again[0] < 1


def test_registrations_of_ours_are_looked_into_often(scene: Scene) -> None:
    """As long as each round finds something."""
    scene.changing.add("s7")
    assert len(scene.churn(10)) > 10 / (2 * MIN_ROUND_INTERVAL_SECONDS + 0.2)


def test_what_has_changed_does_not_wait(scene: Scene) -> None:
    """However long the rest is for what only may have, and it alone is asked for."""
    scene.churn(60)
    scene.asked.clear()
    now = scene.clock.seconds()
    scene.unsure()
    scene.members["service", "s3"].is_current = False
    scene.rounds.schedule()
    scene.clock.advance(MIN_ROUND_INTERVAL_SECONDS)
    assert [name for _, name in scene.asked] == ["s3"]
    assert scene.asked[0][0] <= now + MIN_ROUND_INTERVAL_SECONDS


def test_whom_clients_ask_for_is_first(scene: Scene) -> None:
    """What has changed, then that, then the rest."""
    scene.members["service", "s90"].recently_used = True
    scene.members["service", "s95"].is_current = False
    scene.unsure()
    scene.clock.advance(0)
    assert [name for _, name in scene.asked[:3]] == ["s95", "s90", "s0"]
    assert len(scene.asked) == 100


def test_a_consul_that_is_away_is_not_pressed(scene: Scene) -> None:
    """A round ends at the first ones that cannot be asked, and begins again when it is told to."""
    scene.reached = False
    for kept in scene.members.values():
        kept.is_current = False
    scene.rounds.schedule()
    scene.clock.advance(10)
    assert len(scene.asked) == 16
    scene.reached = True
    scene.rounds.schedule()
    scene.clock.advance(MIN_ROUND_INTERVAL_SECONDS)
    assert all(kept.is_current for kept in scene.members.values())
