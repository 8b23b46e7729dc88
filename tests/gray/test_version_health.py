"""Which instances count for a version from Consul, and what that makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.version_health import (
    GONE,
    HEALTHY,
    PANIC,
    UNKNOWN,
    HealthByInstance,
    InstanceHealth,
    apply_hysteresis,
    assess_version,
    is_healthy,
    next_transition,
    select_instances,
)
from graydns.model.catalog import CRITICAL, PASSING, WARNING, ServiceInstance
from graydns.model.policy import ConsulVersionSource

SOURCE = ConsulVersionSource("api", rise=10, fall=3)


def instance(number: int, status: str = PASSING, tags: tuple[str, ...] = (), **meta: str) -> ServiceInstance:
    """An instance at 192.0.2.NUMBER."""
    return ServiceInstance("n1", "192.0.2.1", "api", f"api{number}", f"192.0.2.{number}", 80, tags, meta, status=status)


def test_instances_are_chosen_by_tag_and_meta() -> None:
    """A tag has no letter case; of the metadata every pair must be there; without either all are meant."""
    both = [instance(1, tags=("V2", "x"), version="v2", zone="a"), instance(2, tags=("v3",), version="v3")]
    assert select_instances(both, ConsulVersionSource("api")) == both
    assert select_instances(both, ConsulVersionSource("api", "v2")) == both[:1]
    assert select_instances(both, ConsulVersionSource("api", meta={"version": "v3"})) == both[1:]
    assert select_instances(both, ConsulVersionSource("api", "v2", {"version": "v2", "zone": "a"})) == both[:1]
    assert select_instances(both, ConsulVersionSource("api", "v2", {"version": "v2", "zone": "b"})) == []


def test_a_warning_is_healthy_unless_only_passing() -> None:
    """As in Consul's own DNS."""
    found = [is_healthy(instance(1, status), only) for only in (False, True) for status in (PASSING, WARNING, CRITICAL)]
    assert found == [True, True, False, True, False, False]


def test_hysteresis_waits_for_rise_and_fall() -> None:
    """An instance stops to count after `fall` seconds of failing, and counts again after `rise` of health."""
    steps = [  # time, told healthy, counts, when that ends by itself
        (0, True, True, None),
        (5, False, True, 8),
        (7, False, True, 8),
        (8, False, False, None),
        (20, True, False, 30),
        (25, False, False, None),  # a flap begins anew
        (26, True, False, 36),
        (36, True, True, None),
    ]
    standings: HealthByInstance = {}
    for now, told, counts, ends in steps:
        standings = apply_hysteresis(standings, {"a": told}, SOURCE, now)
        assert (standings["a"].is_usable, next_transition(standings, SOURCE)) == (counts, ends)


def test_what_is_new_counts_as_it_is_told() -> None:
    """Neither rise nor fall holds for an instance that was never seen; what is gone is forgotten."""
    standings = apply_hysteresis({"old": InstanceHealth(False)}, {"good": True, "bad": False}, SOURCE, 1)
    assert standings == {"good": InstanceHealth(True), "bad": InstanceHealth(False)}


@given(st.lists(st.booleans(), max_size=20))
def test_without_hysteresis_what_is_told_counts(told: list[bool]) -> None:
    """Rise and fall are 0 unless said otherwise."""
    standings: HealthByInstance = {}
    for now, healthy in enumerate(told):
        standings = apply_hysteresis(standings, {"a": healthy}, ConsulVersionSource("api"), now)
        assert standings["a"] == InstanceHealth(healthy)


@pytest.mark.parametrize(
    ("healthy", "instances", "threshold", "state"),
    [
        (0, 0, 50, GONE),
        (0, 4, 50, PANIC),
        (1, 4, 50, PANIC),
        (2, 4, 50, HEALTHY),
        (4, 4, 100, HEALTHY),
        (3, 4, 100, PANIC),
        (1, 4, 0, HEALTHY),
        (0, 4, 0, PANIC),
        (1, 3, 33.3333, HEALTHY),
    ],
)
def test_the_threshold(healthy: int, instances: int, threshold: float, state: str) -> None:
    """As many as the threshold asks for are enough; none never are."""
    source = ConsulVersionSource("api", panic_threshold=round(threshold * 10_000))
    standings = {f"i{number}": InstanceHealth(number < healthy) for number in range(instances)}
    found = assess_version(source, standings, "stable")
    assert (found.state, found.healthy, found.instances) == (state, healthy, instances)
    assert found.uses_default == (state != HEALTHY)


def test_a_version_is_told_in_words() -> None:
    """With what its clients get; a default version cannot be emptied."""
    source = ConsulVersionSource("api", "v2", {"kind": "x"})
    some = {"a": InstanceHealth(True), "b": InstanceHealth(False), "c": InstanceHealth(False)}
    assert str(assess_version(source, some, "stable")) == (
        "1 of 3 instances of api (tag v2, kind=x) healthy, fewer than 50 %: its clients get stable"
    )
    assert (
        str(assess_version(source, {}, "stable"))
        == "Consul has no instance of api (tag v2, kind=x): its clients get stable"
    )
    unknown, panic = (
        assess_version(source, None, ""),
        assess_version(ConsulVersionSource("api"), {"a": InstanceHealth(False)}, ""),
    )
    assert (unknown.state, unknown.uses_default, panic.uses_default) == (UNKNOWN, False, False)
    assert str(unknown).endswith(": its clients get SERVFAIL")
    assert str(panic) == "0 of 1 instances of api healthy: all of them answer, healthy or not"
