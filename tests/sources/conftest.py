"""Consul agents for the tests of the feed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools import consul
from tools.consul import ConsulServer


@pytest.fixture
def agent(require_peer: Callable[[str], str], tmp_path: Path) -> Iterator[ConsulServer]:
    """An agent for one test."""
    with consul.agent(require_peer("consul"), tmp_path) as server:
        yield server


@pytest.fixture
def guarded_agent(require_peer: Callable[[str], str], tmp_path: Path) -> Iterator[ConsulServer]:
    """An agent that denies everything without a token."""
    with consul.agent(require_peer("consul"), tmp_path, **consul.ACL) as server:
        yield server


@pytest.fixture
def leaderless(require_peer: Callable[[str], str], tmp_path: Path) -> Iterator[ConsulServer]:
    """A server that has lost the other two of its cluster."""
    with consul.cluster(require_peer("consul"), tmp_path) as servers:
        for server in servers[1:]:
            server.kill()
        yield servers[0]
