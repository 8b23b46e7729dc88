"""Cycles that got to the oldest generation are freed; what stays is walked once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest
from attrs import define, field
from twisted.internet.task import Clock

from graydns.runtime.garbage import OldestGenerationCollector


@define(slots=False)
class Node:
    """Something that may refer to itself."""

    to: object = field(default=None, eq=False)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock of a collector that has been started."""
    thresholds, clock = gc.get_threshold(), Clock()
    collector = OldestGenerationCollector(clock)
    collector.start()
    try:
        yield clock
    finally:
        collector.stop()
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def test_a_cycle_in_the_oldest_generation_is_freed(clock: Clock) -> None:
    """In the next turn after the middle generation was collected."""
    node = Node()
    node.to, gone = node, ref(node)
    gc.collect(1)
    gc.collect(1)
    assert any(each is node for each in gc.get_objects(2))
    del node
    assert gone() is not None
    clock.advance(0)
    assert gone() is None


def test_what_stays_is_frozen(clock: Clock) -> None:
    """So it is not walked again."""
    node = Node()
    gc.collect(1)
    clock.advance(0)
    assert not any(each is node for each in gc.get_objects())
    assert len(gc.get_objects(2)) < 1000


def test_a_young_collection_and_an_old_one_bring_no_other(clock: Clock) -> None:
    """Else there would be one in every turn."""
    gc.collect(0)
    gc.collect(2)
    assert clock.getDelayedCalls() == []


def test_an_ended_collector_does_nothing() -> None:
    """Neither what was due nor anything more."""
    thresholds, clock = gc.get_threshold(), Clock()
    collector = OldestGenerationCollector(clock)
    collector.start()
    gc.collect(1)
    collector.stop()
    gc.collect(1)
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    assert clock.getDelayedCalls() == []
