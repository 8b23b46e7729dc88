"""Health: which instances of Consul count for a version, with hysteresis, and what that makes of the version. Pure.

::

    reported healthy ──► for `rise` seconds without a break ──► counts
    reported failing ──► for `fall` seconds without a break ──► does not

The first report of an instance counts at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from attrs import frozen

from graydns.model.catalog import CRITICAL, PASSING, ServiceInstance
from graydns.model.policy import ConsulVersionSource

UNKNOWN, GONE, PANIC, HEALTHY = "unknown", "gone", "panic", "healthy"


class InstanceHealth(NamedTuple):
    """Whether an instance *is_usable*, and since when (seconds of any clock) it has been reported otherwise; None = it
    is reported as it counts."""

    is_usable: bool
    contrary_since: float | None = None


#: Of the instances of one version, by name.
HealthByInstance = Mapping[str, InstanceHealth]


@frozen
class VersionHealth:
    """What became of a version from Consul.

    *state*: UNKNOWN (Consul has not spoken), GONE (it has no such instance), PANIC (too few are healthy) or HEALTHY.
    *default*: the version that its clients get unless it is HEALTHY; "" = it is the default itself. *stale*: whether
    Consul has been silent for too long.
    """

    source: ConsulVersionSource
    state: str
    healthy: int
    instances: int
    default: str
    stale: bool = False

    @property
    def uses_default(self) -> bool:
        """Whether its clients get the default version."""
        return bool(self.default) and self.state != HEALTHY

    def __str__(self) -> str:
        if self.state == UNKNOWN:
            text, otherwise = (
                f"Consul has not said yet what it knows of {self.source.description}",
                "its clients get SERVFAIL",
            )
        elif self.state == GONE:
            text, otherwise = f"Consul has no instance of {self.source.description}", "it has no records"
        else:
            text = f"{self.healthy} of {self.instances} instances of {self.source.description} healthy"
            otherwise = "all of them answer, healthy or not"
            if self.state == PANIC and self.healthy:
                text += f", fewer than {self.source.panic_threshold / 10_000:g} %"
        if self.state == HEALTHY:
            return text
        return f"{text}: {f'its clients get {self.default}' if self.default else otherwise}"


def select_instances(instances: Iterable[ServiceInstance], source: ConsulVersionSource) -> list[ServiceInstance]:
    """Those of *instances* that are meant."""
    return [
        instance
        for instance in instances
        if (not source.tag or source.tag in map(str.lower, instance.tags))
        and source.meta.items() <= instance.meta.items()
    ]


def is_healthy(instance: ServiceInstance, only_passing: bool) -> bool:
    """Whether Consul's own DNS would give it."""
    return instance.status == PASSING if only_passing else instance.status != CRITICAL


def apply_hysteresis(
    before: HealthByInstance, reported: Mapping[str, bool], source: ConsulVersionSource, now: float
) -> dict[str, InstanceHealth]:
    """The standings after *reported*, whether each instance is healthy, at *now*. Others are dropped."""
    return {name: _apply_hysteresis_to(before.get(name), healthy, source, now) for name, healthy in reported.items()}


def _apply_hysteresis_to(
    was: InstanceHealth | None, healthy: bool, source: ConsulVersionSource, now: float
) -> InstanceHealth:
    if was is None or was.is_usable == healthy:
        return InstanceHealth(healthy)
    since = now if was.contrary_since is None else was.contrary_since
    if now >= since + (source.rise if healthy else source.fall):
        return InstanceHealth(healthy)
    return InstanceHealth(was.is_usable, since)


def next_transition(standings: HealthByInstance, source: ConsulVersionSource) -> float | None:
    """When the next of them changes if nothing else is reported."""
    return min(
        (
            standing.contrary_since + (source.fall if standing.is_usable else source.rise)
            for standing in standings.values()
            if standing.contrary_since is not None
        ),
        default=None,
    )


def assess_version(
    source: ConsulVersionSource, standings: HealthByInstance | None, default: str, *, stale: bool = False
) -> VersionHealth:
    """What *standings* make of a version, None = Consul has not spoken; *default*, *stale*: as in VersionHealth."""
    if standings is None:
        return VersionHealth(source, UNKNOWN, 0, 0, default)
    instances, healthy = len(standings), sum(standing.is_usable for standing in standings.values())
    if not instances:
        state = GONE
    else:
        enough = healthy and healthy * 1_000_000 >= instances * source.panic_threshold
        state = HEALTHY if enough else PANIC
    return VersionHealth(source, state, healthy, instances, default, stale)
