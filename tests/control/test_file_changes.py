"""Files that change by themselves: noticed, and only taken when they have come to rest."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

import pytest
from twisted.internet import reactor
from twisted.internet.task import LoopingCall

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import HmacChain
from graydns.control.snapshot_reloader import ReloadRefusedError
from graydns.runtime.timing import sleep
from graydns.sources.file_fingerprints import FileFingerprints, fingerprint_file, wait_until_stable
from tests.control.running import Running, Site, at_once, in_reactor, run


async def until(condition: Iterator[bool]) -> None:
    """Wait for the first true value."""
    while not next(condition):
        await sleep(reactor, 0.02)


@pytest.fixture
def watched(running: Running) -> Iterator[Running]:
    """A Control that looks at its files every 100 ms."""
    running.core.periodic_tasks.start()
    yield running
    running.core.periodic_tasks.stop()


@in_reactor
async def test_a_changed_file_is_loaded_without_a_command(watched: Running) -> None:
    """The trigger in `status` is the file."""
    watched.site.write("2", "100")
    await until(watched.ask() == ["192.0.2.20"] for _ in iter(int, 1))
    assert watched.control.status()["last_reload"]["trigger"] == "file"


@in_reactor
async def test_unattended_reloads_are_in_the_audit_log(site: Site) -> None:
    """Accepted and refused reloads after a file change or a signal are logged with their origin."""
    audit = AuditLog(site.folder / "audit.log", HmacChain(bytes(32)), time.time, lambda: AuditLogBounds(1 << 20, 5))
    running = run(site, reactor, in_thread=at_once, audit=audit)
    running.site.write("2", "100")
    await running.core.reload_if_stale()
    running.site.write("3", "50")
    await running.core.reload_unattended("SIGHUP")
    await running.core.reload_unattended("SIGHUP")  # nothing is new, so there is nothing to tell
    running.site.write("4", "101")
    await running.core.reload_unattended("SIGHUP")
    lines = [(line["origin"], line["action"], line["before"], line["after"]) for line in audit.tail(9)]
    assert lines[:2] == [
        ("file", "reload", {"snapshot": 1}, {"snapshot": 2}),
        ("SIGHUP", "reload", {"snapshot": 2}, {"snapshot": 3}),
    ]
    ((origin, _, _, after),) = lines[2:]
    assert origin == "SIGHUP"
    assert "canary" in after["refused"][0]


@in_reactor
async def test_changes_in_a_row_all_arrive(watched: Running) -> None:
    """Two changes close together, of equal size, end in the second one."""
    watched.site.write("2", "50")
    watched.site.write("3", "99")
    await until(watched.control.zones()[0]["config_version"] == "3" for _ in iter(int, 1))
    watched.site.write("4", "11")
    await sleep(reactor, 0.05)
    watched.site.write("5", "98")
    await until(watched.control.zones()[0]["config_version"] == "5" for _ in iter(int, 1))
    assert watched.control.service_show("api.a.test")["configured"]["percent"] == {"canary": "98"}


@in_reactor
async def test_a_file_in_mid_write_is_waited_for(running: Running) -> None:
    """A reload while a file grows takes the whole of it, and nothing that it was on the way."""
    text = running.site.file().read_text().replace('"1"', '"2"').replace("canary: 0", "canary: 100")
    lines = text.splitlines(keepends=True)
    with running.site.file().open("w") as file:

        def write() -> None:
            if not lines:
                writing.stop()
                return
            file.write(lines.pop(0))
            file.flush()

        writing = LoopingCall(write)
        done = writing.start(0.01)
        outcome = await running.control.reload("me")
        await done
    assert outcome["changed"]
    assert running.ask() == ["192.0.2.20"]
    assert not lines
    assert running.control.status()["reloads"] == {"accepted": 1}


@in_reactor
async def test_a_truncated_file_is_refused(running: Running) -> None:
    """A writer that died leaves half a file: refused with its place, and noticed again when it is whole."""
    whole = running.site.file().read_text().replace('"1"', '"2"')
    running.site.file().write_text(whole[: whole.index("canary: {A")])
    with pytest.raises(ReloadRefusedError, match=r"zone-config\.yaml:\d+:\d+"):
        await running.control.reload("me")
    assert not await running.core.reloader.is_stale()
    running.site.file().write_text(whole)
    assert await running.core.reloader.is_stale()
    assert (await running.control.reload("me"))["changed"]


@in_reactor
async def test_a_refused_file_is_read_once(watched: Running) -> None:
    """A refused reload is not tried again until a file changes."""
    watched.site.write("0", "100")
    await until(bool(watched.core.state.reload_counts["refused"]) for _ in iter(int, 1))
    await sleep(reactor, 0.5)
    assert watched.core.state.reload_counts == {"refused": 1}


@in_reactor
async def test_stopping_ends_the_watching(running: Running) -> None:
    """A Control that is stopped in the midst of a reload looks no more."""
    running.site.write("2", "100")
    running.core.periodic_tasks.start()
    await sleep(reactor, 0.01)
    running.core.periodic_tasks.stop()
    await sleep(reactor, 0.3)
    assert running.ask() == ["192.0.2.10"]
    assert not running.core.state.reload_counts


@in_reactor
async def test_restless_files_are_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that never comes to rest is an error that names it, not a reload without end."""
    monkeypatch.setattr("graydns.sources.file_fingerprints.SETTLE_SECONDS", 0.001)

    def restless() -> Generator[None, None, FileFingerprints]:
        with site.data().open("a") as file:
            file.write(";\n")
        yield
        return {site.data(): fingerprint_file(site.data())}

    with pytest.raises(Exception, match=r"data\.zone.*goes on changing"):
        await wait_until_stable(reactor, restless)


def test_a_stamp_tells_files_apart(site: Site) -> None:
    """Same path, same contents, another file: another stamp; no file: none."""
    before = fingerprint_file(site.data())
    copy = site.data().with_name("copy")
    copy.write_bytes(site.data().read_bytes())
    copy.rename(site.data())
    assert fingerprint_file(site.data()) != before
    assert fingerprint_file(copy) is None
