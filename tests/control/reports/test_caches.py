"""The caches as operators see them."""

from __future__ import annotations

import pytest
from twisted.internet import reactor

from graydns.model.answer import Answer
from graydns.model.decision import Cohort
from graydns.model.errors import ControlError
from graydns.model.name import from_text
from graydns.resolve.cache.cache_keys import CacheKey
from tests.control.running import Running, Site, at_once, run
from tests.coroutines import finished


def keep(running: Running, partition: str) -> None:
    """Remember an answer for x.test in a *partition*."""
    group = running.server.snapshot.forward.by_name["up"]
    key = CacheKey(from_text("x.test"), 1, 1, False, False, group.identity, (), Cohort("default"), partition, None)
    running.server.stores.answers.store(
        key, Answer(origin=group, ttl=300, forwarded=True), running.server.front.clock()
    )


def test_a_cached_answer_is_described_in_terms_of_the_configuration(site: Site) -> None:
    """The name of its upstream, the parts of its cohort, and its remaining TTL."""
    site.write_main("upstreams: {up: {servers: ['udp://127.0.0.1:9']}}\n")
    running = run(site, reactor, in_thread=at_once)
    keep(running, "default")
    (row,) = running.control.cache_lookup("x.test", "A")
    assert (row["tenant"], row["upstream"], row["cohort"]) == ("default", "up", ["default", "", "", ""])
    assert 0 < row["left"] <= 300


@pytest.mark.parametrize("level", ["storage", "network", "compute"])
def test_a_tenant_flushes_no_cache_but_its_own(site: Site, level: str) -> None:
    """The cache of another tenant stays; for a tenant without a cache of its own the error names the one it shares."""
    site.write_main("upstreams: {up: {servers: ['udp://127.0.0.1:9']}}\n")
    file = site.file()
    file.write_text(file.read_text().replace("tenant_id: one\n", f"tenant_id: one\nisolation_level: {level}\n"))
    running = run(site, reactor, in_thread=at_once)
    for partition in ("default", "one"):
        keep(running, partition)
    if level == "compute":
        with pytest.raises(ControlError, match="the tenant one shares the cache of default, "):
            finished(running.control.cache_flush(tenant="one", actor="me"))
        assert len(running.control.cache_lookup("x.test", "A")) == 2
    else:
        assert finished(running.control.cache_flush(tenant="one", actor="me"))["flushed"] == 1
        assert [row["tenant"] for row in running.control.cache_lookup("x.test", "A")] == ["default"]


def test_the_shared_cache_is_flushed_by_its_name(site: Site) -> None:
    """And a tenant that there is not is no way to flush nothing."""
    site.write_main("upstreams: {up: {servers: ['udp://127.0.0.1:9']}}\n")
    running = run(site, reactor, in_thread=at_once)
    keep(running, "default")
    with pytest.raises(ControlError, match="there is no tenant two"):
        finished(running.control.cache_flush(tenant="two", actor="me"))
    assert finished(running.control.cache_flush("x.test", tenant="default", actor="me"))["flushed"] == 1
