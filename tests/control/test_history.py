"""History: what changed when, and the way back."""

from __future__ import annotations

import json

import pytest
from twisted.internet import reactor

from graydns.control.snapshot_reloader import ReloadRefusedError
from graydns.model.errors import ConfigError, ControlError
from tests.control.running import Running, Site, at_once, in_reactor, run


@in_reactor
async def test_history_lists_every_snapshot(running: Running) -> None:
    """With its number, actor, trigger and the names it changed; the running one is marked."""
    await running.control.reload("me")
    more = "  - {name: new, when: {source: 10.9.0.0/16}, then: {block: nodata}}\n"
    running.site.write("2", "100", more=more)
    running.site.write(zone="b.test")
    await running.control.reload("me")
    start, now = running.control.history()
    assert (start["trigger"], start["running"]) == ("start", False)
    assert start["changes"]["rules"]["added"] == ["a.test: vip"]
    assert (now["trigger"], now["actor"], now["running"], now["number"]) == ("reload", "me", True, 2)
    assert now["changes"]["zones"] == {"added": ["b.test"], "removed": [], "altered": ["a.test"], "more": 0}
    assert now["changes"]["services"]["altered"] == ["api.a.test"]
    assert now["changes"]["rules"]["added"] == ["a.test: new", "b.test: vip"]
    running.site.write("3", "100", more=more.replace("10.9", "10.8"))
    await running.control.reload("me")
    assert running.control.history()[-1]["changes"]["rules"]["altered"] == ["a.test: new"]


async def went_wrong(running: Running) -> None:
    """Two versions, the second of which is not wanted."""
    running.site.write("2", "100")
    running.site.write_data(serial=8, www="192.0.2.99")
    await running.control.reload("me")
    assert running.ask() == ["192.0.2.20"]
    assert running.ask("www.a.test") == ["192.0.2.99"]


@in_reactor
async def test_a_rollback_brings_back_all_of_a_snapshot(running: Running) -> None:
    """Policy and zone data are as they were, under a new number, whatever the files say meanwhile."""
    await went_wrong(running)
    running.site.file().write_text("{")
    running.site.data().unlink()
    outcome = await running.control.rollback(1, "me")
    assert (outcome["before"], outcome["after"]) == ({"snapshot": 2}, {"snapshot": 3})
    assert running.ask() == ["192.0.2.10"]
    assert running.ask("www.a.test") == ["192.0.2.80"]
    assert running.control.status()["pinned"] == 3
    assert running.control.history()[-1]["trigger"] == "rollback to 1"
    with pytest.raises(ControlError, match="no snapshot 9"):
        await running.control.rollback(9, "me")


@in_reactor
async def test_a_rollback_holds_until_a_version_is_above_all(running: Running) -> None:
    """The file that was rolled back from is not taken again, nor are data alone; a version above it is."""
    await went_wrong(running)
    await running.control.rollback(1, "me")
    running.site.write_data(serial=9, www="192.0.2.98")
    await running.core.reload_if_stale()
    assert running.control.status()["last_reload"]["ok"]
    with pytest.raises(ReloadRefusedError, match=r"rollback.*reload --force"):
        await running.control.reload("me")
    assert running.ask() == ["192.0.2.10"]
    running.site.write("3", "100")
    await running.core.reload_if_stale()
    assert running.ask() == ["192.0.2.20"]
    assert running.ask("www.a.test") == ["192.0.2.98"]
    assert running.control.status()["pinned"] is None
    assert json.loads((running.site.folder / "var" / "live.json").read_text())["pin"] is None


@in_reactor
async def test_force_ends_a_rollback(running: Running) -> None:
    """The operator's word counts: the files as they are."""
    await went_wrong(running)
    await running.control.rollback(1, "me")
    await running.control.reload("me", force=True)
    assert running.ask() == ["192.0.2.20"]
    assert running.control.status()["pinned"] is None


@in_reactor
async def test_history_and_rollback_outlive_a_restart(running: Running) -> None:
    """After a restart the server has its snapshots, serves the one rolled back to, and accepts reloads again."""
    await went_wrong(running)
    await running.control.rollback(1, "me")
    again = run(running.site, reactor, in_thread=at_once)
    assert again.ask() == ["192.0.2.10"]
    assert again.ask("www.a.test") == ["192.0.2.80"]
    assert [record["number"] for record in again.control.history()] == [1, 2, 3]
    assert again.control.status()["pinned"] == 3
    await again.core.reload_if_stale()
    assert again.ask() == ["192.0.2.10"]
    await again.control.rollback(2, "me")
    assert again.ask() == ["192.0.2.20"]
    again.site.write("3", "0")
    await again.core.reload_if_stale()
    assert again.ask() == ["192.0.2.10"]
    assert run(running.site, reactor, in_thread=at_once).control.status()["snapshot"] == 5


@in_reactor
async def test_the_same_files_are_the_same_snapshot(running: Running) -> None:
    """A restart with nothing new makes no new entry; with something new it does."""
    again = run(running.site, reactor, in_thread=at_once)
    assert len(again.control.history()) == 1
    again.site.write("2", "100")
    changed = run(running.site, reactor, in_thread=at_once)
    assert [record["trigger"] for record in changed.control.history()] == ["start", "start"]
    assert changed.control.status()["snapshot"] == 2


@in_reactor
async def test_a_pin_to_nothing_is_a_clear_error(running: Running) -> None:
    """A start that cannot serve the snapshot rolled back to names the file to look at."""
    await went_wrong(running)
    await running.control.rollback(1, "me")
    for path in (running.site.folder / "var" / "history").iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match=r"live\.json: pin\.number: found 3"):
        run(running.site, reactor, in_thread=at_once)


@in_reactor
async def test_twenty_snapshots_are_kept(running: Running) -> None:
    """The oldest are removed, from the disk too; inputs of unchanged zones stay as long as a snapshot needs them."""
    running.site.write(zone="b.test")
    await running.control.reload("me")
    for number in range(2, 30):
        running.site.write(str(number), str(number))
        await running.control.reload("me")
    records = running.control.history()
    assert [record["number"] for record in records] == list(range(11, 31))
    folder = running.site.folder / "var" / "history"
    assert sorted(int(path.stem) for path in folder.glob("*.json")) == list(range(11, 31))
    assert sorted(int(path.stem) for path in folder.glob("*.pack")) == [1, 2, *range(11, 31)]
    await running.control.rollback(12, "me")
    assert running.control.service_show("api.a.test")["configured"]["percent"] == {"canary": "11"}
    assert running.ask("www.b.test") == ["192.0.2.80"]


@in_reactor
async def test_a_full_disk_refuses_a_reload(running: Running) -> None:
    """A snapshot that cannot be stored is not served; the error has the reason."""
    running.site.write("2", "100")
    (running.site.folder / "var" / "history").rename(running.site.folder / "away")
    with pytest.raises(ReloadRefusedError, match="cannot be stored on the disk"):
        await running.control.reload("me")
    assert running.ask() == ["192.0.2.10"]
    (running.site.folder / "away").rename(running.site.folder / "var" / "history")
    assert (await running.control.reload("me"))["changed"]


def test_a_spoilt_entry_is_left_out(site: Site) -> None:
    """A truncated file in the history does not prevent a start."""
    run(site, reactor, in_thread=at_once)
    (site.folder / "var" / "history" / "00000007.json").write_text("{")
    assert len(run(site, reactor, in_thread=at_once).control.history()) == 1
