"""Tenants that are isolated in storage have their live changes in folders of their own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor

from graydns.control.live_changes import dump_live_changes
from graydns.model.errors import ConfigError, ControlError
from tests.control.running import Running, Site, at_once, in_reactor, run


def isolate(site: Site, *zones: str, level: str = "storage", version: str = "1") -> None:
    """Give each zone to the tenant of its first label, isolated in *level*."""
    for zone in zones:
        tenant = zone.split(".")[0]
        site.write(version, zone=zone)
        text = site.file(zone).read_text().replace("tenant_id: one", f"tenant_id: {tenant}\nisolation_level: {level}")
        site.file(zone).write_text(text)


def begin(site: Site) -> Running:
    return run(site, reactor, in_thread=at_once)


@pytest.fixture
def apart(site: Site) -> Running:
    """Tenants b and c, isolated in storage, beside a.test's."""
    isolate(site, "b.test", "c.test")
    return begin(site)


def kept(site: Site, tenant: str | None = None) -> dict[str, Any]:
    folder = site.folder / "var" if tenant is None else site.folder / "var" / "tenants" / tenant
    data: dict[str, Any] = json.loads((folder / "live.json").read_text())
    return data


async def change_all(running: Running) -> None:
    for zone in "abc":
        await running.control.service_percent(f"api.{zone}.test", {"canary": "100"}, f"of {zone}")
    await running.control.gray_off("b", "me")


@in_reactor
async def test_nothing_of_one_is_in_the_file_of_another(apart: Running) -> None:
    """Each file has its tenant's services and gray off, for its owner alone; the main file has none of them."""
    await change_all(apart)
    assert list(kept(apart.site)["services"]) == ["api.a.test"]
    assert kept(apart.site)["gray_off"] == {}
    assert list(kept(apart.site, "b")["services"]) == ["api.b.test"]
    assert list(kept(apart.site, "b")["gray_off"]) == ["b"]
    assert list(kept(apart.site, "c")["services"]) == ["api.c.test"]
    for owner, folder in (("a", "."), ("b", "tenants/b"), ("c", "tenants/c")):
        path = apart.site.folder / "var" / folder / "live.json"
        assert [f"of {other}" in path.read_text() for other in "abc"] == [other == owner for other in "abc"]
        assert path.stat().st_mode & 0o777 == 0o600
    folders = [apart.site.folder / "var/tenants" / name for name in (".", "b", "c")]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700] * 3


@in_reactor
async def test_a_restart_finds_all_of_it(apart: Running) -> None:
    """The parts come together again."""
    await change_all(apart)
    again = begin(apart.site)
    assert dump_live_changes(again.core.state.live) == dump_live_changes(apart.core.state.live)
    assert again.ask() == again.ask("api.c.test") == ["192.0.2.20"]
    assert again.ask("api.b.test") == ["192.0.2.10"]


@in_reactor
async def test_what_is_undone_leaves_no_file(apart: Running) -> None:
    """A tenant of which nothing is changed has no live.json."""
    await change_all(apart)
    await apart.control.service_revert("api.c.test", "me")
    assert not (apart.site.folder / "var/tenants/c/live.json").exists()
    await apart.control.gray_on(None, "me")
    assert kept(apart.site, "b")["gray_off"] == {}
    await apart.control.gray_off(None, "me")
    assert list(kept(apart.site)["gray_off"]) == ["*"]


@in_reactor
async def test_erasing_one_tenant_leaves_the_others(apart: Running) -> None:
    """Without its folder a tenant starts as its files say; put back, all is as it was."""
    await change_all(apart)
    folder = apart.site.folder / "var/tenants/b"
    shutil.move(folder, apart.site.folder / "backup")
    again = begin(apart.site)
    assert again.control.status()["gray_off"] == []
    assert again.control.service_show("api.b.test")["live"] == []
    assert again.ask() == again.ask("api.c.test") == ["192.0.2.20"]
    shutil.move(apart.site.folder / "backup", folder)
    assert begin(apart.site).control.status()["gray_off"] == ["b"]


@pytest.mark.parametrize("level", ["storage", "network"])
@in_reactor
async def test_files_follow_the_isolation_level(site: Site, level: str) -> None:
    """A reload that changes the isolation level moves the live changes, and a restart finds them there."""
    before, after = {"storage": ("compute", "storage"), "network": ("storage", "network")}[level]
    isolate(site, "b.test", level=before)
    running = begin(site)
    await running.control.service_percent("api.b.test", {"canary": "100"}, "me")
    await running.control.gray_off("b", "me")
    isolate(site, "b.test", level=after, version="2")
    await running.control.reload("me")
    own = site.folder / "var/tenants/b/live.json"
    assert own.exists() is (level == "storage")
    assert ("api.b.test" in kept(site)["services"]) is (level != "storage")
    assert dump_live_changes(begin(site).core.state.live) == dump_live_changes(running.core.state.live)


@in_reactor
async def test_a_tenant_without_zones_keeps_what_it_has_where_it_is(apart: Running) -> None:
    """Its changes fit nothing for the time being, and never come into a file of others."""
    await change_all(apart)
    shutil.rmtree(apart.site.file("b.test").parent)
    await apart.control.reload("me", prune="b.test")
    await apart.control.service_percent("api.a.test", {"canary": "50"}, "me")
    assert list(kept(apart.site)["services"]) == ["api.a.test"]
    assert list(kept(apart.site, "b")["services"]) == ["api.b.test"]


@in_reactor
async def test_changes_do_not_go_over_to_another_tenant(apart: Running) -> None:
    """A zone that is given to another tenant starts as its file says, and its new owner sees nothing of the old one."""
    await apart.control.service_percent("api.b.test", {"canary": "100"}, "of b")
    text = apart.site.file("b.test").read_text()
    apart.site.file("b.test").write_text(
        text.replace("tenant_id: b", "tenant_id: c").replace('config_version: "1"', 'config_version: "2"')
    )
    await apart.control.reload("me")
    assert apart.ask("api.b.test") == ["192.0.2.10"]
    shown = apart.control.service_show("api.b.test")
    assert (shown["tenant"], shown["live"], shown["effective"]["percent"]) == ("c", [], {"canary": "0"})
    (drift,) = apart.control.status()["drift"]
    assert (drift["tenant"], drift["unfit"]) == ("b", "the service is another tenant's now")
    await apart.control.service_percent("api.b.test", {"canary": "100"}, "of c")
    assert apart.ask("api.b.test") == ["192.0.2.20"]
    assert not (apart.site.folder / "var/tenants/b/live.json").exists()
    assert list(kept(apart.site, "c")["services"]) == ["api.b.test"]


@pytest.mark.parametrize("fails", [1, 2])
@in_reactor
async def test_a_full_disk_leaves_all_files_as_they_were(
    apart: Running, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    """Also where a change concerns several of them, and the second cannot be written."""
    await change_all(apart)
    await apart.control.gray_off(None, "me")
    files = {path: path.read_bytes() for path in (apart.site.folder / "var").rglob("live.json")}
    real, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2 * fails - 1:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ControlError, match="No space"):
        await apart.control.gray_on(None, "me")
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in (apart.site.folder / "var").rglob("live.json")} == files
    assert apart.control.status()["gray_off"] == ["*", "b"]
    await apart.control.gray_on(None, "me")
    assert begin(apart.site).control.status()["gray_off"] == []


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ('{"gray_off": {"c": {"actor": "x", "at": "1"}}}', "found 'c', expected 'b'"),
        ('{"gray_off": {"*": {"actor": "x", "at": "1"}}}', "the tenant of this folder"),
        ('{"services": {"api.c.test": {"tenant": "c"}}}', "1:40: services.api.c.test.tenant: found 'c'"),
        ('{"pin": {"number": 1}}', "a rollback is of the whole server"),
        ('{"services": 7}', "live.json:1:14"),
    ],
)
def test_a_tenants_file_may_have_changes_of_that_tenant_only(site: Site, text: str, reported: str) -> None:
    """Anything else is an error with its place, and graydns does not start."""
    isolate(site, "b.test", "c.test")
    path = site.folder / "var/tenants/b/live.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        begin(site)
    assert reported in str(caught.value)


def test_other_things_in_the_folder_are_left_alone(site: Site) -> None:
    """Only files called live.json are read."""
    folder = Path(site.folder / "var/tenants/b")
    folder.mkdir(parents=True)
    (folder / "notes").write_text("x")
    (folder.parent / "stray").write_text("x")
    begin(site)
    assert (folder / "notes").read_text() == "x"
