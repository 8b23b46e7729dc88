"""A cluster for the tests of the feed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tools.consul import ConsulServer


@pytest.fixture
def leaderless(three_servers: Sequence[ConsulServer]) -> ConsulServer:
    """A server that has lost the other two of its cluster."""
    for server in three_servers[1:]:
        server.kill()
    return three_servers[0]
