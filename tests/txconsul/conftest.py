"""Consul agents that a package's tests share; tests may ruin those of their own (tests/conftest.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tools import consul
from tools.consul import ConsulServer

RequirePeer = Callable[[str], str]


@pytest.fixture(scope="package")
def shared_agent(require_peer: RequirePeer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulServer]:
    """An agent for tests that leave it as they found it, but for keys and services of their own."""
    with consul.agent(require_peer("consul"), tmp_path_factory.mktemp("consul"), keeps_data=False) as server:
        yield server


@pytest.fixture(scope="package")
def acl_agent(require_peer: RequirePeer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulServer]:
    """An agent that denies everything without a token."""
    with consul.agent(require_peer("consul"), tmp_path_factory.mktemp("acl"), keeps_data=False, **consul.ACL) as server:
        yield server
