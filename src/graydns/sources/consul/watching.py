"""Watches as graydns has them: each is confirmed often enough that its data are stale only if Consul is silent."""

from __future__ import annotations

import random
from collections.abc import Mapping

from graydns.runtime.timing import Clock
from txconsul import Consul, Watch, watch

#: The longest that Consul holds a query, in seconds, and the part of *stale_after* that it is at most: with the lot's
#: third and Consul's sixteenth on top it is still well below that.
HOLD, HOLD_PART = 30.0, 0.4


def begin_watch(
    consul: Consul,
    path: str,
    params: Mapping[str, str | bool] | None = None,
    *,
    stale_after: float,
    clock: Clock,
    parse: bool,
) -> Watch:
    """A watch of *path* that hears of Consul well within *stale_after* seconds. *parse*: see ``txconsul.watch``."""
    wait = min(HOLD, HOLD_PART * stale_after)
    return watch(consul, path, params, wait=wait, parse=parse, clock=clock, random=random.random)
