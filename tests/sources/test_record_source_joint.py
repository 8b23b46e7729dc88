"""A record source from outside: a dictionary of zones that is served, changes, fails, hangs and vanishes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import cast

import dns.rdata
import dns.zone
import pytest
from attrs import define, field
from twisted.internet import reactor as default_reactor
from twisted.internet.task import Clock, deferLater

from graydns.control.history import SnapshotHistory
from graydns.control.snapshot_reloader import ReloadRefusedError
from graydns.model.errors import ConfigError, ControlError, SourceId
from graydns.model.name import to_text
from graydns.sources.record_source import (
    ENTRY_POINT_GROUP,
    RETRY_INTERVAL_SECONDS,
    RecordSources,
    SourceEvent,
    WantedZone,
    ZoneFailed,
    ZoneRecord,
    ZoneRecords,
    ZoneUnchanged,
    ZoneVanished,
    find_factory,
)
from tests.control.running import DATA, Running, Site, at_once, in_reactor, run

pytestmark = pytest.mark.integration

CONFIG = 'zone: b.test\ntenant_id: one\nconfig_version: "{version}"\nsource: {{memory: {{name: {name}}}}}\n'


@define(eq=False)
class MemorySource:
    """Zones as texts, by the name that the option ``name`` gives. *error*: raised; *hang*: waited for."""

    texts: dict[str, str]
    asked: list[WantedZone] = field(factory=list)
    error: Exception | None = None
    hang: threading.Event | None = None
    extra: tuple[ZoneRecord, ...] = ()
    _subscribers: list[Callable[[], None]] = field(factory=list)

    def read(self, zones: Sequence[WantedZone]) -> Iterator[SourceEvent]:
        for zone in zones:
            self.asked.append(zone)
            if self.hang is not None:
                self.hang.wait(20)
            if self.error is not None:
                raise self.error
            name = zone.options.get("name")
            if not isinstance(name, str):
                yield ZoneFailed(zone.source_id, repr(name), "the name of a text", ("name",))
            elif (text := self.texts.get(name)) is None:
                yield ZoneVanished(zone.source_id)
            elif zone.known == text.encode():
                yield ZoneUnchanged(zone.source_id)
            else:
                records = (*list_records(text, to_text(zone.origin)), *self.extra)
                yield ZoneRecords(zone.source_id, records, text.encode())

    def subscribe(self, on_change: Callable[[], None]) -> None:
        self._subscribers.append(on_change)

    def change(self, name: str, text: str | None) -> None:
        """Have another text, or none, and say so."""
        if text is None:
            del self.texts[name]
        else:
            self.texts[name] = text
        for on_change in self._subscribers:
            on_change()


def list_records(text: str, origin: str) -> Iterator[ZoneRecord]:
    """The records of a zone file."""
    zone = dns.zone.from_text(text, origin, relativize=False, check_origin=False)
    for name, ttl, rdata in zone.iterate_rdatas():
        yield name.to_wire() or b"", int(rdata.rdtype), ttl, rdata.to_wire() or b""


def data(serial: int = 7, www: str = "192.0.2.80") -> str:
    return DATA.format(zone="b.test", serial=serial, www=www)


@pytest.fixture
def source() -> MemorySource:
    return MemorySource({"b": data()})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A zone from a file, and one from memory."""
    made = Site(tmp_path)
    made.write_main()
    made.write()
    write_config(made)
    return made


def write_config(site: Site, version: str = "1", name: str = "b") -> None:
    site.file("b.test").parent.mkdir(parents=True, exist_ok=True)
    site.file("b.test").write_text(CONFIG.format(version=version, name=name))


def start(site: Site, source: MemorySource, timeout: float = 10.0) -> Running:
    return run(site, default_reactor, in_thread=at_once, sources=RecordSources({"memory": lambda: source}, timeout))


@in_reactor
async def test_the_first_state_is_served(site: Site, source: MemorySource) -> None:
    """With the services of the zone's file, beside zones from files."""
    running = start(site, source)
    assert running.ask("www.b.test") == ["192.0.2.80"]
    assert running.ask("www.a.test") == ["192.0.2.80"]
    assert [(to_text(zone.origin), zone.options, zone.known) for zone in source.asked] == [
        ("b.test", {"name": "b"}, b"")
    ]
    assert running.control.status()["faulty"] == {}


@in_reactor
async def test_a_change_is_served_after_a_reload(site: Site, source: MemorySource) -> None:
    """Which the source starts by saying so; without a change the zone stays the same object."""
    running = start(site, source)
    zone = running.server.snapshot.zones.find(b"\1b\4test\0")
    await running.control.reload("me")
    assert running.server.snapshot.zones.find(b"\1b\4test\0") is zone
    source.change("b", data(8, "192.0.2.81"))
    assert await running.core.reloader.is_stale()
    await running.core.reload_if_stale()
    assert running.ask("www.b.test") == ["192.0.2.81"]
    assert not await running.core.reloader.is_stale()
    assert [record["number"] for record in running.control.history()] == [1, 2]


@in_reactor
async def test_a_source_that_says_so_is_read_at_once(site: Site, source: MemorySource) -> None:
    """From any thread, without waiting for the next poll."""
    running = start(site, source)
    thread = threading.Thread(target=source.change, args=("b", data(8, "192.0.2.81")))
    thread.start()
    for _ in range(500):
        if running.ask("www.b.test") == ["192.0.2.81"]:
            break
        await deferLater(default_reactor, 0.01, lambda: None)
    assert running.ask("www.b.test") == ["192.0.2.81"]
    thread.join()


@in_reactor
async def test_a_failure_keeps_what_is_served(site: Site, source: MemorySource) -> None:
    """And shows in the status; zones from files go on changing. What comes next is served again."""
    running = start(site, source)
    source.error = ConnectionError("the database is gone")
    site.write("2", "100")
    outcome = await running.control.reload("me")
    assert outcome["kept"] == [str(site.file("b.test"))]
    assert running.ask("www.b.test") == ["192.0.2.80"]
    assert running.ask() == ["192.0.2.20"]
    (issues,) = running.control.status()["faulty"].values()
    assert "source.memory: found a record source that fails (ConnectionError: the database is gone)" in issues[0]
    assert issues[0].startswith(f"{site.file('b.test')}:4:")
    source.error = None
    source.change("b", data(9, "192.0.2.82"))
    await running.core.reload_if_stale()
    assert running.ask("www.b.test") == ["192.0.2.82"]
    assert running.control.status()["faulty"] == {}


@in_reactor
async def test_a_source_that_hangs_is_not_waited_for(site: Site, source: MemorySource) -> None:
    """Longer than its time; while it still reads it is not asked again, and what it says too late is dropped."""
    running = start(site, source, timeout=0.05)
    source.hang = hang = threading.Event()
    source.texts["b"] = data(8, "192.0.2.81")
    for expected in ("no answer within 0.05 s", "a source that is still reading"):
        await running.control.reload("me")
        (issues,) = running.control.status()["faulty"].values()
        assert expected in issues[0]
    assert running.ask("www.b.test") == ["192.0.2.80"]
    assert len(source.asked) == 2
    source.hang = None
    hang.set()
    for _ in range(500):
        await running.control.reload("me")
        if not running.control.status()["faulty"]:
            break
        await deferLater(default_reactor, 0.01, lambda: None)
    assert running.ask("www.b.test") == ["192.0.2.81"]


@in_reactor
async def test_a_vanished_zone_stays_until_it_is_pruned(site: Site, source: MemorySource) -> None:
    """As one whose file is gone."""
    running = start(site, source)
    source.change("b", None)
    await running.core.reload_if_stale()
    assert running.ask("www.b.test") == ["192.0.2.80"]
    assert running.control.status()["vanished"] == ["b.test"]
    await running.control.reload("me", prune="b.test")
    assert running.ask("www.b.test") == ["REFUSED"]
    assert running.control.status()["vanished"] == []


@in_reactor
async def test_a_rollback_does_not_ask_the_source(site: Site, source: MemorySource) -> None:
    """The history has the records."""
    running = start(site, source)
    source.texts["b"] = data(8, "192.0.2.81")
    await running.control.reload("me")
    asked = len(source.asked)
    await running.control.rollback(1, "me")
    assert running.ask("www.b.test") == ["192.0.2.80"]
    assert len(source.asked) == asked


X = b"\1x\1b\4test\0"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ([(X, 5, 9, X), (X, 1, 9, bytes(4))], "x.b.test: found CNAME and other data"),
        ([(b"\1x\1a\4test\0", 1, 9, bytes(4))], "x.a.test: found a record outside the zone"),
        ([(X, 6, 9, b"\0\0" + bytes(20))], "x.b.test: found SOA below the zone's own name"),
        ([(X, 1, 1 << 31, bytes(4))], "x.b.test: found a TTL of more than"),
    ],
)
@in_reactor
async def test_records_are_checked_like_files(
    site: Site, source: MemorySource, extra: list[ZoneRecord], expected: str
) -> None:
    """At the start, where it is an error, and later, where the reload is refused."""
    running = start(site, source)
    source.extra = tuple(extra)
    source.texts["b"] = data(8)
    with pytest.raises(ReloadRefusedError, match=expected):
        await running.control.reload("me")
    assert running.ask("www.b.test") == ["192.0.2.80"]
    with pytest.raises(ConfigError, match=expected):
        start(site, source)


@in_reactor
async def test_malformed_records_are_issues(site: Site) -> None:
    """Whatever a source makes of rdata and names."""

    class Malformed(MemorySource):
        def read(self, zones: Sequence[WantedZone]) -> Iterator[SourceEvent]:
            for zone in zones:
                www, apex = b"\3www\1b\4test\0", b"\1b\4test\0"
                mx = b"\0\x0a\xc0\x0c"  # a compressed name, which points out of the rdata
                yield ZoneRecords(
                    zone.source_id,
                    [(www, 1, 9, b"\1"), (b"\x3f", 1, 9, bytes(4)), (apex, 41, 1, b""), (b"\1x" + apex, 15, 9, mx)],
                )

    with pytest.raises(ConfigError) as caught:
        start(site, Malformed({}))
    found = str(caught.value)
    assert "www.b.test: found a record that is not valid" in found
    assert "OPT, which is no type of records" in found
    assert "x.b.test: found a record that is not valid" in found


@in_reactor
async def test_names_are_lowered_and_never_compressed(site: Site, source: MemorySource) -> None:
    """However a source writes them."""
    apex = b"\1b\4test\0"
    source.extra = ((b"\3WWW" + apex, 28, 300, bytes(15) + b"\1"), (apex, 15, 300, b"\0\0\xc0\0"))
    running = start(site, source)
    assert running.ask("www.b.test", "AAAA") == ["::1"]
    assert running.ask("b.test", "MX") == ["0 ."]


@in_reactor
async def test_a_change_that_no_zone_waits_for_ends_with_the_next_reading(site: Site, source: MemorySource) -> None:
    """Else every poll would read all files again."""
    running = start(site, source)
    site.file("b.test").unlink()
    await running.core.reload_if_stale()
    source.change("b", data(8))
    assert await running.core.reloader.is_stale()
    await running.core.reload_if_stale()
    assert not await running.core.reloader.is_stale()


@in_reactor
async def test_a_source_that_failed_is_read_again_later(site: Site, source: MemorySource) -> None:
    """Even if it does not say when it is well again, and not at each poll."""
    clock = Clock()
    sources = RecordSources({"memory": lambda: source}, clock=clock.seconds)
    running = run(site, default_reactor, in_thread=at_once, sources=sources)
    source.error = ConnectionError("the database is gone")
    source.change("b", data(8, "192.0.2.81"))
    await running.core.reload_if_stale()
    source.error = None
    asked = len(source.asked)
    await running.core.reload_if_stale()
    assert len(source.asked) == asked
    clock.advance(RETRY_INTERVAL_SECONDS)
    await running.core.reload_if_stale()
    assert running.ask("www.b.test") == ["192.0.2.81"]
    clock.advance(RETRY_INTERVAL_SECONDS)
    assert not await running.core.reloader.is_stale()


@in_reactor
async def test_a_rollback_that_fails_forgets_no_change(
    site: Site, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not read the source."""
    running = start(site, source)
    source.texts["b"] = data(8, "192.0.2.81")
    await running.control.reload("me")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    source.change("b", data(9, "192.0.2.82"))
    with monkeypatch.context() as patched:
        patched.setattr(SnapshotHistory, "add", fail)
        with pytest.raises(ControlError, match="no space left"):
            await running.control.rollback(1, "me")
    await running.core.reload_if_stale()
    assert running.ask("www.b.test") == ["192.0.2.82"]


@in_reactor
async def test_many_changes_at_once_are_one_reload(site: Site, source: MemorySource) -> None:
    """However often a source calls."""
    running = start(site, source)
    for number in range(100):
        source.change("b", data(8 + number, "192.0.2.81"))
    for _ in range(500):
        if running.ask("www.b.test") == ["192.0.2.81"]:
            break
        await deferLater(default_reactor, 0.01, lambda: None)
    await deferLater(default_reactor, 0.2, lambda: None)
    assert running.ask("www.b.test") == ["192.0.2.81"]
    assert len(source.asked) <= 3


@define(eq=False)
class Fixed:
    """A source that gives the same event for every zone."""

    make: Callable[[SourceId], SourceEvent]

    def read(self, zones: Sequence[WantedZone]) -> Iterator[SourceEvent]:
        for zone in zones:
            yield self.make(zone.source_id)

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Nothing changes."""


@in_reactor
async def test_a_zone_never_delivered_cannot_be_unchanged(site: Site) -> None:
    """There would be nothing to serve."""
    with pytest.raises(ConfigError, match="found an unchanged zone, of which no revision has been delivered"):
        run(site, default_reactor, in_thread=at_once, sources=RecordSources({"memory": lambda: Fixed(ZoneUnchanged)}))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ZoneUnchanged, "found an unchanged zone, of which no revision has been delivered"),
        (ZoneVanished, "found a zone that its source does not have"),
    ],
)
@in_reactor
async def test_records_of_a_zone_are_not_served_as_those_of_another(
    site: Site,
    source: MemorySource,
    event: Callable[[SourceId], SourceEvent],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the zone's file names another zone now, and the source does not deliver it."""
    running = start(site, source)
    monkeypatch.setattr(MemorySource, "read", lambda self, zones: [event(zone.source_id) for zone in zones])
    text = site.file("b.test").read_text()
    site.file("b.test").write_text(text.replace("b.test", "c.test").replace('"1"', '"2"'))
    with contextlib.suppress(ReloadRefusedError):
        await running.control.reload("me")
    status = running.control.status()
    issues = [*status["last_reload"]["errors"], *(issue for found in status["faulty"].values() for issue in found)]
    assert [expected in issue for issue in issues] == [True]
    assert running.ask("www.c.test") == ["REFUSED"]
    assert running.ask("www.b.test") == ["192.0.2.80"]


def test_records_without_end_are_no_longer_taken_once_the_time_is_over() -> None:
    """They would fill the memory."""
    taken = [0]

    def make_records() -> Iterator[ZoneRecord]:
        for taken[0] in count():
            yield b"\4" + b"%04d" % (taken[0] % 10_000) + b"\1b\4test\0", 1, 9, bytes(4)

    sources = RecordSources({"memory": lambda: Fixed(lambda source: ZoneRecords(source, make_records()))}, 0.05)
    (frame,) = sources.read([WantedZone(SourceId("b"), b"\1b\4test\0", "memory", {})])
    assert "no answer within 0.05 s" in str(frame)
    for thread in threading.enumerate():
        if thread.name == "record source":
            thread.join(10)
            assert not thread.is_alive()


def test_the_time_is_for_all_sources_together_and_ends_with_the_server() -> None:
    """So neither several that hang nor one delays what waits for them."""
    hang = threading.Event()
    zones = [WantedZone(SourceId(kind), b"\1b\4test\0", kind, {}) for kind in ("one", "two", "three")]
    factories = {zone.kind: lambda: MemorySource({}, hang=hang) for zone in zones}
    started = time.monotonic()
    assert len(RecordSources(factories, 0.5).read(zones)) == 3
    assert time.monotonic() - started < 1.2
    sources = RecordSources(factories, 20)
    stopping = threading.Timer(0.1, sources.stop)
    stopping.start()
    started = time.monotonic()
    assert len(sources.read(zones)) == 3
    assert len(sources.read(zones)) == 3
    assert time.monotonic() - started < 10
    hang.set()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{memroy: {}}", r"found the unknown kind 'memroy' \(did you mean 'memory'\?\), expected one of file, memory"),
        ("{memory: {name: [x]}}", r"source.memory.name: found .*x.*, expected the name of a text"),
        ("{memory: {name: x}}", "source: found a zone that its source does not have"),
        ("{file: data.zone, memory: {}}", "expected one key: file, or the kind of another record source"),
        ("{Memory: {}}", "expected one key: file, or the kind of another record source"),
    ],
)
@in_reactor
async def test_what_is_wrong_is_an_issue_at_its_key(
    site: Site, source: MemorySource, written: str, expected: str
) -> None:
    """With its line."""
    text = site.file("b.test").read_text()
    site.file("b.test").write_text(text.replace("{memory: {name: b}}", written))
    with pytest.raises(ConfigError, match=rf"zone-config\.yaml:4:\d+: .*{expected}"):
        start(site, source)


@in_reactor
async def test_a_factory_that_fails_is_an_issue(site: Site) -> None:
    """Of every zone that names the kind."""

    def fail() -> MemorySource:
        raise RuntimeError("no driver")

    with pytest.raises(ConfigError, match=r"the kind 'memory', which cannot be used \(RuntimeError: no driver\)"):
        run(site, default_reactor, in_thread=at_once, sources=RecordSources({"memory": fail}))


def test_an_installed_package_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose name is the kind."""
    point = metadata.EntryPoint("memory", f"{__name__}:MemorySource", ENTRY_POINT_GROUP)

    def entry_points(group: str, name: str | None = None) -> list[metadata.EntryPoint]:
        return [point] if group == ENTRY_POINT_GROUP and name in (None, "memory") else []

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    assert cast(object, find_factory("memory")) is MemorySource
    assert find_factory("other") is None
