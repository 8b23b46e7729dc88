"""Many reloads, and what an old snapshot leaves behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import cast
from weakref import ref

import pytest
from twisted.internet import reactor
from twisted.logger import ILogObserver, Logger, LogPublisher

from graydns.control import snapshot_reloader
from graydns.runtime import slices
from graydns.runtime.timing import sleep
from graydns.sources import file_reader
from tests.control.running import Running, Site, at_once, in_reactor, run


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Objects are freed by their reference count alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@in_reactor
async def test_an_old_snapshot_dies_by_reference_count(running: Running) -> None:
    """Nothing of the one before is left after a swap: Snapshot, Router, pipeline, zone; neither after a live change."""
    running.site.write("2", "50")
    await running.control.reload("me")
    for serial in (8, 9):
        assert running.canaries()
        assert running.ask("www.a.test")
        snapshot, serving = running.server.snapshot, running.server.front.serving
        (zone,) = snapshot.zones
        old = [ref(each) for each in (snapshot, snapshot.routers["one"], serving, zone)]
        del snapshot, serving, zone
        await running.control.service_percent("api.a.test", {"canary": "60"}, "me")
        running.site.write(str(serial), str(serial))
        running.site.write_data(serial)
        await running.control.reload("me")
        await sleep(reactor, 0.01)
        assert [each() for each in old] == [None] * len(old)


@in_reactor
async def test_three_hundred_reloads(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer between them is of the snapshot that was served at the time, and memory is where it was."""
    monkeypatch.setattr("graydns.sources.file_fingerprints.SETTLE_SECONDS", 0.0)
    # Until logging begins, Twisted keeps all that is logged.
    monkeypatch.setattr(snapshot_reloader, "_log", Logger(observer=cast(ILogObserver, LogPublisher())))
    running = run(site, reactor, in_thread=at_once)
    objects = []
    for number in range(2, 302):
        version = number % 2
        site.write(str(number), str(100 * version))
        await running.control.reload("me", force=True)
        assert running.ask() == [["192.0.2.10"], ["192.0.2.20"]][version]
        assert running.ask("www.a.test") == ["192.0.2.80"]
        if number % 100 == 0:
            running.server.front.answer_log.recent.clear()  # bounded, but far from its bound here
            await sleep(reactor, 0.01)
            gc.collect()
            objects.append(len(gc.get_objects()))
    assert running.core.state.reload_counts == {"accepted": 300}
    assert running.control.status()["snapshot"] == 301
    assert objects[2] < objects[0] + 200


@pytest.mark.integration
@in_reactor
async def test_a_large_policy_comes_from_a_child(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read aside, its rules decide as if they had been read here; faults have their line; small changes stay quick."""
    # What this process has made must stay in sight of the collector, for the tests that count objects.
    monkeypatch.setattr(slices, "FREEZE_INTERVAL_STEPS", 1 << 30)
    rule = "  - {{name: r{0}, when: {{source: 10.{1}.{2}.0/24}}, then: {{version: canary}}}}\n"
    rules = "".join(rule.format(at, 100 + at // 200, at % 200) for at in range(1000))
    assert len(rules) > file_reader.MAX_INLINE_CONFIG_BYTES
    running = run(site, reactor, in_thread=at_once)
    site.write("2", "0", more=rules)
    site.write(zone="b.test")
    await running.control.reload("me")
    assert running.ask(subnet="10.104.199.0") == ["192.0.2.20"]
    assert running.ask(subnet="10.99.9.0") == ["192.0.2.10"]
    router = running.server.snapshot.routers["one"]
    assert len(router.rules) == 1002
    site.write("3", "0", more=rules + rule.format(1000, 100, 0))
    with pytest.raises(
        snapshot_reloader.ReloadRefusedError, match=r"zone-config\.yaml:1012:\d+: rules\.1001\.when: found rule 'r1000'"
    ):
        await running.control.reload("me")
    site.write("4", "0", more=rules.replace("r999,", "r999x,"))
    outcome = await running.control.reload("me")
    assert outcome["changes"]["rules"] == {
        "added": ["a.test: r999x"], "removed": ["a.test: r999"], "altered": [], "more": 0,
    }  # fmt: skip
    await running.control.rollback(2, "me")
    assert [rule.name for rule in running.server.snapshot.routers["one"].rules][1000] == "r999"
    again = run(site, reactor, in_thread=at_once)
    assert again.ask(subnet="10.104.199.0") == ["192.0.2.20"]
