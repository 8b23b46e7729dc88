"""Consul agents: one that a module's tests share, and ones that a test may ruin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests import consul
from tests.consul import ConsulServer

RequirePeer = Callable[[str], str]


@pytest.fixture(scope="package")
def shared_agent(require_peer: RequirePeer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulServer]:
    """An agent for tests that leave it as they found it, but for keys and services of their own."""
    with consul.agent(require_peer("consul"), tmp_path_factory.mktemp("consul")) as server:
        yield server


@pytest.fixture
def own_agent(require_peer: RequirePeer, tmp_path: Path) -> Iterator[ConsulServer]:
    """An agent for one test."""
    with consul.agent(require_peer("consul"), tmp_path) as server:
        yield server


@pytest.fixture(scope="package")
def acl_agent(require_peer: RequirePeer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulServer]:
    """An agent that denies everything without a token."""
    with consul.agent(require_peer("consul"), tmp_path_factory.mktemp("acl"), **consul.ACL) as server:
        yield server


@pytest.fixture
def three_servers(require_peer: RequirePeer, tmp_path: Path) -> Iterator[Sequence[ConsulServer]]:
    """A cluster for one test."""
    with consul.cluster(require_peer("consul"), tmp_path) as servers:
        yield servers
