"""Validation: what the validator believes and remembers, beyond one Snapshot."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import Factory, define, field

from graydns.config.dnssec import Dnssec, NegativeTrustAnchor
from graydns.dnssec.algorithms import Algorithms
from graydns.dnssec.anchors import ROOT_ANCHORS, Anchors, Negatives
from graydns.dnssec.budget import Limits
from graydns.dnssec.signature import Settings
from graydns.dnssec.zones import Zones
from graydns.resolve.failures import Failures
from graydns.resolve.pace import Pace
from graydns.resolve.validate import Policy
from graydns.resolve.workers import Workers


@define(eq=False)
class Validation:
    """*bogus*: questions whose answers lately were. *negatives*: names of the negative trust anchors that operators
    set, beside those that are configured. *asked*: questions for keys, by type. *reactor*: IReactorThreads.
    """

    _reactor: Any = field(repr=False)
    negatives: frozenset[bytes] = frozenset()
    bogus: Failures = field(init=False, factory=lambda: _failures())
    pace: Pace = field(init=False, default=Factory(lambda self: Pace(self._reactor, time.monotonic), takes_self=True))
    workers: Workers = field(init=False, default=Factory(lambda self: Workers(self._reactor), takes_self=True))
    asked: Counter[int] = field(init=False, factory=Counter)
    _zones: dict[tuple[str, str], Zones] = field(init=False, factory=dict, repr=False)
    _basis: object = field(init=False, default=None, repr=False)

    @property
    def size(self) -> int:
        """Names whose zones are known."""
        return sum(zones.size for zones in self._zones.values())

    def zones(self, partition: str, upstream: str) -> Zones:
        """What is known of zones in a *partition* of the memory, from the *upstream* that a rule names, else ""."""
        return self._zones.setdefault((partition, upstream), Zones())

    def rest_on(self, basis: object) -> bool:
        """Whether what is remembered still holds now that all that it rests on is *basis*; it is forgotten if not."""
        same = self._basis in (None, basis)
        self._basis = basis
        if not same:
            self.forget()
            self.bogus = _failures()  # whose judgement is still under way remembers what comes of it elsewhere
        return same

    def forget(self, name: bytes | None = None) -> None:
        """Forget what is known of zones at or below *name* (wire form), None = all, and every failure."""
        if name is None:
            self._zones = {}
        else:
            self._zones = {place: zones.without(name) for place, zones in self._zones.items()}
        self.bogus.flush()

    def policy(self, dnssec: Dnssec) -> Policy:
        """What is believed by *dnssec*."""
        limits, fixed = dnssec.limits, dnssec.validation_time
        return Policy(
            settings=Settings(
                Algorithms.of(dnssec.algorithms),
                int(dnssec.skew),
                Limits(limits.signatures, limits.same_tag_keys, limits.nsec3_hashes, limits.queries),
            ),
            anchors=Anchors.of(dnssec.trust_anchors or ROOT_ANCHORS),
            negatives=partial(self._negatives, dnssec.negative_trust_anchors),
            wall=time.time if fixed is None else partial(float, fixed),
        )

    def _negatives(self, configured: Sequence[NegativeTrustAnchor]) -> Negatives:
        # They end when they are said to, though the clock that signatures are looked at by may stand still.
        now = time.time() if configured else 0.0
        lasting = (each.name for each in configured if each.until is None or now < each.until)
        return Negatives(self.negatives.union(lasting))


def _failures() -> Failures:
    return Failures(growth=2.0)
