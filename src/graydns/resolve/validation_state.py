"""The state of the validator that outlives a Snapshot: anchors, zone statuses, failures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import Factory, define, field

from graydns.config.dnssec_settings import DnssecSettings, NegativeTrustAnchor
from graydns.dnssec.key_trust import ROOT_ANCHORS, NegativeTrustAnchors, TrustAnchors
from graydns.dnssec.signature import ValidatorSettings
from graydns.dnssec.work_budget import ValidationLimits
from graydns.dnssec.zone_keys import EnabledAlgorithms
from graydns.dnssec.zone_status import ZoneStatusCache
from graydns.resolve.cache.raw_cache import FailureCache
from graydns.resolve.links.validation import ValidationPolicy
from graydns.resolve.workers import TurnLimiter, WorkerPool


@define(eq=False)
class ValidationState:
    """What validation keeps across reloads.

    *bogus_answers*: questions whose answers lately were bogus. *negative_anchors*: names of the negative trust anchors
    that operators set, beside those that are configured. *key_queries*: questions for keys, by type. *reactor*:
    IReactorThreads.
    """

    _reactor: Any = field(repr=False)
    negative_anchors: frozenset[bytes] = frozenset()
    bogus_answers: FailureCache = field(init=False, factory=lambda: _make_failure_cache())
    turn_limiter: TurnLimiter = field(
        init=False, default=Factory(lambda self: TurnLimiter(self._reactor, time.monotonic), takes_self=True)
    )
    worker_pool: WorkerPool = field(
        init=False, default=Factory(lambda self: WorkerPool(self._reactor), takes_self=True)
    )
    key_queries: Counter[int] = field(init=False, factory=Counter)
    _zones: dict[tuple[str, str], ZoneStatusCache] = field(init=False, factory=dict, repr=False)
    _settings: object = field(init=False, default=None, repr=False)

    @property
    def zone_count(self) -> int:
        """Names whose zones are known."""
        return sum(zones.size for zones in self._zones.values())

    def zones(self, partition: str, upstream: str) -> ZoneStatusCache:
        """What is known of zones in a *partition* of the memory, from the *upstream* that a rule names, else ""."""
        return self._zones.setdefault((partition, upstream), ZoneStatusCache())

    def use_negative_anchors(self, names: frozenset[bytes]) -> None:
        """Have negative trust anchors at *names* (wire form), beside the configured ones."""
        self.negative_anchors = names

    def adopt_settings(self, basis: object) -> bool:
        """Whether what is remembered still holds now that all that it rests on is *basis*; it is forgotten if not."""
        same = self._settings in (None, basis)
        self._settings = basis
        if not same:
            self.flush()
            self.bogus_answers = (
                _make_failure_cache()
            )  # whose judgement is still under way remembers what comes of it elsewhere
        return same

    def flush(self, name: bytes | None = None) -> None:
        """Forget what is known of zones at or below *name* (wire form), None = all, and every failure."""
        if name is None:
            self._zones = {}
        else:
            self._zones = {place: zones.without(name) for place, zones in self._zones.items()}
        self.bogus_answers.flush()

    def make_policy(self, dnssec: DnssecSettings) -> ValidationPolicy:
        """The ValidationPolicy of *dnssec*."""
        limits, fixed = dnssec.limits, dnssec.validation_time
        return ValidationPolicy(
            settings=ValidatorSettings(
                EnabledAlgorithms.of(dnssec.algorithms),
                int(dnssec.skew),
                ValidationLimits(limits.signatures, limits.same_tag_keys, limits.nsec3_hashes, limits.queries),
            ),
            anchors=TrustAnchors.of(dnssec.trust_anchors or ROOT_ANCHORS),
            negative_anchors=partial(self._current_anchors, dnssec.negative_trust_anchors),
            wall=time.time if fixed is None else partial(float, fixed),
        )

    def _current_anchors(self, configured: Sequence[NegativeTrustAnchor]) -> NegativeTrustAnchors:
        # They end when they are said to, though the clock that signatures are looked at by may stand still.
        now = time.time() if configured else 0.0
        lasting = (each.name for each in configured if each.until is None or now < each.until)
        return NegativeTrustAnchors(self.negative_anchors.union(lasting))


def _make_failure_cache() -> FailureCache:
    return FailureCache(backoff_factor=2.0)
