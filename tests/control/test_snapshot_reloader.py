"""Reloads: what is taken up, what is refused and why, and that a refusal changes nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from twisted.internet import reactor

from graydns.control.snapshot_reloader import ReloadRefusedError
from graydns.model.dnssec_values import parse_trust_anchor
from graydns.model.errors import ConfigError
from graydns.model.transport import TCP, UDP
from tests.control.running import Running, Site, at_once, config, in_reactor, run


@in_reactor
async def test_a_higher_version_is_taken(running: Running) -> None:
    """The next query after a reload is decided by the new policy, also where the hot table knew the name."""
    assert running.ask() == ["192.0.2.10"]
    assert running.ask() == ["192.0.2.10"]
    running.site.write("2", "100")
    outcome = await running.control.reload("me")
    assert outcome["changed"]
    assert outcome["changes"]["services"]["altered"] == ["api.a.test"]
    assert running.ask() == ["192.0.2.20"]
    assert running.control.status()["snapshot"] == 2


@in_reactor
async def test_nothing_new_is_nothing(running: Running) -> None:
    """Files that were only touched, or rewritten as they were, make no snapshot and keep the running one."""
    before = running.server.snapshot
    running.site.file().write_text(running.site.file().read_text())
    os.utime(running.site.data())
    assert not (await running.control.reload("me"))["changed"]
    assert running.server.snapshot is before
    assert running.control.status()["last_reload"]["ok"]


@in_reactor
async def test_a_comment_is_no_change(running: Running) -> None:
    """Contents are compared by their meaning: a comment needs no new version."""
    running.site.file().write_text("# a comment\n" + running.site.file().read_text())
    assert not (await running.control.reload("me"))["changed"]
    running.site.write("2", "100")
    assert (await running.control.reload("me"))["changed"]


@pytest.mark.parametrize("version", ["1", "0", "0.9"])
@in_reactor
async def test_other_contents_need_a_higher_version(running: Running, version: str) -> None:
    """An equal or lower version with other contents is refused, with its place and the way out; force takes it."""
    running.site.write(version, "100")
    with pytest.raises(ReloadRefusedError, match=r"zone-config.yaml:3:17: config_version: .*above 1, .*reload --force"):
        await running.control.reload("me")
    assert running.ask() == ["192.0.2.10"]
    status = running.control.status()
    assert not status["last_reload"]["ok"]
    assert "config_version" in status["last_reload"]["errors"][0]
    assert status["reloads"]["refused"] == 1
    await running.control.reload("me", force=True)
    assert running.ask() == ["192.0.2.20"]


@in_reactor
async def test_versions_compare_number_by_number(running: Running) -> None:
    """20261122.10 is above 20261122.9."""
    running.site.write("20261122.9")
    await running.control.reload("me")
    running.site.write("20261122.10", "100")
    assert (await running.control.reload("me"))["changed"]
    assert running.ask() == ["192.0.2.20"]


@in_reactor
async def test_zone_data_go_by_their_contents(running: Running) -> None:
    """Zone data are loaded without a new version; an unchanged serial is a warning."""
    assert running.ask("www.a.test") == ["192.0.2.80"]
    running.site.write_data(www="192.0.2.81")
    outcome = await running.control.reload("me")
    assert "serial" in outcome["warnings"][0]
    assert running.ask("www.a.test") == ["192.0.2.81"]
    assert running.control.status()["warnings"] == outcome["warnings"]
    running.site.write_data(serial=8, www="192.0.2.82")
    assert not (await running.control.reload("me"))["warnings"]
    assert running.ask("www.a.test") == ["192.0.2.82"]


@pytest.mark.integration
@in_reactor
async def test_an_included_file_is_watched_too(running: Running) -> None:
    """A change of an included file is a change of the zone."""
    included = running.site.data().with_name("more.zone")
    included.write_text("more A 192.0.2.90\n")
    running.site.write_data(more="$INCLUDE more.zone\n")
    await running.control.reload("me")
    assert running.ask("more.a.test") == ["192.0.2.90"]
    included.write_text("more A 192.0.2.91\n")
    assert await running.core.reloader.is_stale()
    await running.control.reload("me")
    assert running.ask("more.a.test") == ["192.0.2.91"]


@in_reactor
async def test_a_vanished_zone_stays_until_it_is_pruned(running: Running) -> None:
    """A zone whose file is gone is served on and flagged; it can be pruned, and one that is there cannot."""
    running.site.write(zone="b.test")
    await running.control.reload("me")
    shutil.rmtree(running.site.file("b.test").parent)
    for _ in range(2):
        outcome = await running.control.reload("me")
        assert outcome["vanished"] == ["b.test"]
        assert running.ask("www.b.test") == ["192.0.2.80"]
    assert {zone["zone"]: zone["state"] for zone in running.control.zones()} == {"a.test": "ok", "b.test": "vanished"}
    with pytest.raises(ReloadRefusedError, match=r"a\.test still has its file"):
        await running.control.reload("me", prune="a.test")
    with pytest.raises(ReloadRefusedError, match=r"there is no zone c\.test"):
        await running.control.reload("me", prune="c.test")
    outcome = await running.control.reload("me", prune="b.test")
    assert outcome["changes"]["zones"]["removed"] == ["b.test"]
    assert running.ask("www.b.test") == ["REFUSED"]
    assert not running.control.status()["vanished"]


@in_reactor
async def test_a_vanished_zone_can_come_back(running: Running) -> None:
    """Its file as it was is nothing new; the flag goes."""
    data = running.site.data().read_text()
    running.site.data().unlink()
    assert (await running.control.reload("me"))["vanished"] == ["a.test"]
    assert running.ask("www.a.test") == ["192.0.2.80"]
    running.site.data().write_text(data)
    outcome = await running.control.reload("me")
    assert not outcome["vanished"]
    assert not outcome["changed"]


@in_reactor
async def test_data_vanish_from_beside_a_file_that_is_as_it_was(running: Running) -> None:
    """That is no other case: the zone is served on and flagged."""
    await running.control.reload("me")  # the file is known by its stamp from here on, and not read again
    running.site.data().unlink()
    assert (await running.control.reload("me"))["vanished"] == ["a.test"]
    assert running.ask("www.a.test") == ["192.0.2.80"]


@in_reactor
async def test_a_vanished_zones_place_can_be_taken(running: Running) -> None:
    """Another zone in the same file is another zone; the one before is served on."""
    running.site.file().write_text(config("c.test", "1"))
    running.site.write_data(zone="a.test")
    running.site.data().write_text(running.site.data().read_text().replace("a.test", "c.test"))
    outcome = await running.control.reload("me")
    assert outcome["vanished"] == ["a.test"]
    assert running.ask("www.a.test") == running.ask("www.c.test") == ["192.0.2.80"]


@in_reactor
async def test_a_vanished_main_file_is_refused(running: Running) -> None:
    """Without graydns.yaml everything stays as it is; so it does without the folder of the zones."""
    running.site.main.unlink()
    with pytest.raises(ReloadRefusedError, match=r"graydns\.yaml"):
        await running.control.reload("me")
    running.site.write_main()
    (running.site.folder / "zones").rename(running.site.folder / "elsewhere")
    with pytest.raises(ReloadRefusedError, match="zones"):
        await running.control.reload("me")
    assert running.ask("www.a.test") == ["192.0.2.80"]


def mounted(site: Site, name: str, version: str, percent: str) -> None:
    """Put a generation of a zone where Kubernetes mounts it, and turn the ``..data`` link to it."""
    volume = site.file().parent
    fresh = Site(site.folder / "fresh")
    fresh.write(version, percent)
    shutil.move(fresh.file().parent, volume / name)
    shutil.rmtree(fresh.folder)
    (volume / "..tmp").symlink_to(name)
    (volume / "..tmp").rename(volume / "..data")


@in_reactor
async def test_a_swapped_data_link_is_a_change(tmp_path: Path) -> None:
    """A Kubernetes volume replaces one link above all files; the old generation is then removed."""
    site = Site(tmp_path)
    site.write_main()
    site.file().parent.mkdir(parents=True)
    mounted(site, "..1", "1", "0")
    for name in ("zone-config.yaml", "data.zone"):
        (site.file().parent / name).symlink_to(f"..data/{name}")
    running = run(site, reactor, in_thread=at_once)
    assert running.ask() == ["192.0.2.10"]
    await running.core.reload_if_stale()  # files so young are looked at twice
    assert not await running.core.reloader.is_stale()
    mounted(site, "..2", "2", "100")
    assert await running.core.reloader.is_stale()
    shutil.rmtree(site.file().parent / "..1")
    await running.core.reload_if_stale()
    assert running.ask() == ["192.0.2.20"]
    assert not await running.core.reloader.is_stale()


@in_reactor
async def test_a_yaml_bomb_is_refused(running: Running) -> None:
    """YAML anchors and aliases are reported, never expanded."""
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    running.site.file().write_text(bomb)
    with pytest.raises(ReloadRefusedError, match=r"zone-config\.yaml:1:4: a: found the anchor &a"):
        await running.control.reload("me")
    assert running.ask() == ["192.0.2.10"]


@in_reactor
async def test_one_fault_refuses_all_of_a_reload(running: Running) -> None:
    """With ``fail_fast_on_schema_error`` any error refuses the whole reload, and all errors are reported."""
    running.site.write("2", "100")
    running.site.write("1", "101", zone="b.test")
    running.site.write(zone="c.test")
    running.site.write_data(zone="c.test", more="bad A 300.1.1.1\n")
    with pytest.raises(ReloadRefusedError) as refused:
        await running.control.reload("me")
    assert len(refused.value.errors) == 2
    assert "b.test/zone-config.yaml:9" in refused.value.errors[0]
    assert "c.test/data.zone:6" in refused.value.errors[1]
    assert running.ask() == ["192.0.2.10"]
    running.site.write("1", "100", zone="b.test")
    running.site.write_data(zone="c.test")
    await running.control.reload("me")
    assert running.ask() == running.ask("api.b.test") == ["192.0.2.20"]


@pytest.fixture
def lenient(site: Site) -> Running:
    """Two zones, of which a faulty one does not hold up the other."""
    site.write_main(text="admin: null\nhttp: null\nforward: {}\nreload: {fail_fast_on_schema_error: false}\n")
    site.write(zone="b.test")
    return run(site, reactor, in_thread=at_once)


@pytest.mark.parametrize(
    "broken",
    ["percent: {", "services: {x.other.test: {}}\n", "rules: [{name: x, when: {regex: '('}, then: {block: nodata}}]\n"],
)
@in_reactor
async def test_a_faulty_zone_keeps_what_it_has(lenient: Running, broken: str) -> None:
    """Without ``fail_fast_on_schema_error`` the other zones move on, whatever kind of fault it is."""
    lenient.site.write("2", "100")
    lenient.site.file("b.test").write_text(config("b.test", "2", broken))
    outcome = await lenient.control.reload("me")
    assert outcome["kept"] == [str(lenient.site.file("b.test"))]
    assert lenient.ask() == ["192.0.2.20"]
    assert lenient.ask("api.b.test") == ["192.0.2.10"]
    status = lenient.control.status()
    assert str(lenient.site.file("b.test")) in status["faulty"]
    assert {zone["zone"]: zone["state"] for zone in lenient.control.zones()} == {"a.test": "ok", "b.test": "faulty"}
    assert (await lenient.control.reload("me"))["kept"]
    lenient.site.write("2", "100", zone="b.test")
    assert not (await lenient.control.reload("me"))["kept"]
    assert lenient.ask("api.b.test") == ["192.0.2.20"]


@in_reactor
async def test_faulty_data_keep_what_they_are(lenient: Running) -> None:
    """Bad records leave their zone as it was until they are mended, also while other zones change."""
    lenient.site.write_data(zone="b.test", www="192.0.2.300")
    lenient.site.write("2", "100")
    await lenient.control.reload("me")
    lenient.site.write("3", "0")
    assert (await lenient.control.reload("me"))["kept"]
    assert lenient.ask("www.b.test") == ["192.0.2.80"]
    lenient.site.write_data(zone="b.test", www="192.0.2.83")
    assert await lenient.core.reloader.is_stale()
    assert not (await lenient.control.reload("me"))["kept"]
    assert lenient.ask("www.b.test") == ["192.0.2.83"]


@in_reactor
async def test_a_new_zone_at_fault_is_left_out(lenient: Running) -> None:
    """A zone that was never served is not served by half; mending its data alone is noticed."""
    lenient.site.write(zone="c.test")
    lenient.site.write_data(zone="c.test", more="bad A x\n")
    assert (await lenient.control.reload("me"))["kept"]
    assert lenient.ask("www.c.test") == ["REFUSED"]
    lenient.site.write_data(zone="c.test")
    assert await lenient.core.reloader.is_stale()
    assert not (await lenient.control.reload("me"))["kept"]
    assert lenient.ask("www.c.test") == ["192.0.2.80"]


OWN = "upstreams: {own: {servers: ['udp://127.0.0.1:9']}}\n"

RULE = "tenants: {one: {rules: [{name: x, when: {regex: '('}, then: {block: nodata}}]}}\n"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("broken", "reported"),
    [
        (f"{OWN}cahce: {{}}\n", "6:1: cahce: found the unknown key"),
        (f"{OWN}cache: {{size: 64MiB", "graydns.yaml:"),
        (f"{OWN}geo: nowhere.mmdb\n", "geo: found"),
        (OWN + RULE, "6:49: tenants.one.rules.0"),
        ("upstreams: {own: {servers: ['udp://127.0.0.1:5300']}}\n", "which is graydns itself"),
        ("upstreams: {}\n", "unknown upstream 'own'"),
    ],
    ids=["schema", "truncated", "geo", "rules", "loop", "needed by a zone"],
)
@in_reactor
async def test_an_error_in_the_main_file_refuses_the_whole_reload(
    lenient: Running, broken: str, reported: str, force: bool
) -> None:
    """Nothing is loaded, neither with ``fail_fast_on_schema_error: false`` nor by force, until it is corrected; live
    changes work meanwhile."""
    good = lenient.site.main.read_text()
    rule = "  - {name: out, when: {name: out}, then: {upstream: own}}\n"
    lenient.site.main.write_text(good + OWN)
    lenient.site.write("2", "0", more=rule)
    assert (await lenient.control.reload("me"))["changed"]
    lenient.site.write("3", "100", zone="b.test")
    lenient.site.main.write_text(good + broken)
    with pytest.raises(ReloadRefusedError) as refused:
        await lenient.control.reload("me", force=force)
    assert reported in str(refused.value)
    status = lenient.control.status()
    assert status["last_reload"]["errors"] == list(refused.value.errors)
    assert (status["last_reload"]["ok"], status["reloads"]["refused"]) == (False, 1)
    assert lenient.ask("api.b.test") == ["192.0.2.10"]
    await lenient.control.service_percent("api.a.test", {"canary": "100"}, "me")
    assert lenient.ask() == ["192.0.2.20"]
    lenient.site.main.write_text(good + OWN)
    assert (await lenient.control.reload("me"))["kept"] == []
    assert lenient.ask("api.b.test") == lenient.ask() == ["192.0.2.20"]


@in_reactor
async def test_keys_that_need_a_restart_are_listed(running: Running) -> None:
    """Where the server listens stays as it is and is reported; other keys of the file take effect."""
    before = running.server.snapshot.config.listen
    more = "listen: ['udp://127.0.0.1:5999']\nlimits: {max_connections: 5, nsid: new}\ntrust: {ecs: []}\n"
    more += "consul: {}\naudit: {}\n"
    running.site.write_main(more)
    outcome = await running.control.reload("me")
    assert outcome["restart"] == ["listen", "audit", "consul", "limits.max_connections"]
    assert outcome["changes"]["files"]["altered"] == ["graydns.yaml"]
    now = running.server.snapshot.config
    assert now.listen == before
    assert now.limits.max_connections == 10_000
    assert running.server.front.settings.nsid == b"new"
    assert running.control.status()["restart"] == outcome["restart"]
    running.site.write_main()
    assert not (await running.control.reload("me"))["restart"]


@in_reactor
async def test_trust_reaches_connections_that_are_open(running: Running) -> None:
    """A connection made before a reload is believed as the new configuration says."""
    peer = running.server.front.peer("127.0.0.1", TCP)
    assert peer.trusts_ecs
    assert peer.may_forward
    running.site.write_main("trust: {ecs: []}\nallow_forward: []\ntenants: {two: {clients: [127.0.0.0/8]}}\n")
    await running.control.reload("me")
    await running.control.reload("me")
    assert not peer.trusts_ecs
    assert not peer.may_forward
    assert peer.tenant == "two"
    assert running.server.front.peer("127.0.0.1", UDP).tenant == "two"


@in_reactor
async def test_unchanged_parts_are_shared(running: Running) -> None:
    """Another zone's change leaves the Router of a tenant and the zone's data the very objects they were."""
    running.site.write(zone="b.test")
    file = running.site.file("b.test")
    file.write_text(file.read_text().replace("tenant_id: one", "tenant_id: two"))
    await running.control.reload("me")
    before = running.server.snapshot
    running.site.write("2", "50")
    await running.control.reload("me")
    now = running.server.snapshot
    assert now.routers["two"] is before.routers["two"]
    assert now.routers["one"] is not before.routers["one"]
    assert set(now.zones) == set(before.zones)


def test_a_start_with_broken_live_changes_is_an_error(site: Site) -> None:
    """Live changes are not lost silently: an error in their file is reported with its line."""
    (site.folder / "var").mkdir()
    (site.folder / "var" / "live.json").write_text(
        '{"services": {"api.a.test": {"percent": {"value": {"canary": "x"}}}}}'
    )
    with pytest.raises(ConfigError, match=r"live\.json:1:\d+: services.api.a.test.percent.*'x', expected a percentage"):
        run(site, reactor, in_thread=at_once)


@in_reactor
async def test_a_changed_trust_anchor_file_is_taken_and_a_bad_one_is_refused(site: Site) -> None:
    """A change of the file alone makes a snapshot with its anchors; a file without a record leaves them as they are."""
    anchors = site.folder / "root.key"
    anchors.write_text(f"test. IN DS 1 13 2 {'00' * 32}\n")
    site.write_main("dnssec: {validate: true, trust_anchor_file: root.key}\n")
    running = run(site, reactor, in_thread=at_once)
    anchors.write_text(f"test. IN DS 2 13 2 {'11' * 32}\n")
    assert (await running.control.reload("me"))["changed"]
    served = running.server.snapshot.config.dnssec.trust_anchors
    assert served == (parse_trust_anchor(f"test. IN DS 2 13 2 {'11' * 32}"),)
    anchors.write_text("; nothing\n")
    with pytest.raises(ReloadRefusedError, match=r"root\.key"):
        await running.control.reload("me")
    assert running.server.snapshot.config.dnssec.trust_anchors == served
