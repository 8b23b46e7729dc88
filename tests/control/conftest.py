"""A site, and a server of it under control."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.internet.task import Clock

from tests.control.running import Running, Site, at_once, run


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One zone with a service that gives everybody its stable version."""
    site = Site(tmp_path)
    site.write_main()
    site.write()
    return site


@pytest.fixture
def running(site: Site) -> Running:
    """The site, served."""
    return run(site, reactor, in_thread=at_once)


@pytest.fixture
def clock() -> Clock:
    """Both clocks of a server: 13 November 2025, 02:13:20."""
    clock = Clock()
    clock.advance(1_763_000_000)
    return clock
