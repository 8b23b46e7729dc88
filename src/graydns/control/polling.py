"""Waiting: until what was written to Consul is in force here, as long as an operator would wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graydns.sources.file_fingerprints import pause

#: Seconds at most, and between two looks.
POLL_TIMEOUT_SECONDS = 2.0
POLL_INTERVAL_SECONDS = 0.005


async def poll_until(reactor: Any, true: Callable[[], bool]) -> bool:
    """Whether it does in that time."""
    end = reactor.seconds() + POLL_TIMEOUT_SECONDS
    while not true():
        if reactor.seconds() > end:
            return False
        await pause(reactor, POLL_INTERVAL_SECONDS)
    return True
