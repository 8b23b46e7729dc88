"""Live changes: in the next answer, on the disk, over restarts, and gone when they are to be."""

from __future__ import annotations

import json
from collections.abc import Callable, Set
from typing import Any, TypeVar
from weakref import ref

import pytest
from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import HmacChain
from graydns.control.state import ServedCounts
from graydns.model.errors import ControlError
from tests.control.running import Running, Site, at_once, begin, in_reactor, run
from tests.coroutines import finished
from tests.listen.running import until

T = TypeVar("T")


def kept(site: Site) -> dict[str, Any]:
    """The contents of live.json."""
    data: dict[str, Any] = json.loads((site.folder / "var" / "live.json").read_text())
    return data


async def full(call: Callable[[], T]) -> T:
    """A thread that finds the disk full."""
    raise OSError(28, "No space left on device")


def test_a_share_is_changed_at_once(running: Running) -> None:
    """The answer after the command is decided by the new share, also from a hot table; the disk has it by then."""
    assert running.ask() == ["192.0.2.10"]
    assert running.ask() == ["192.0.2.10"]
    outcome = finished(running.control.service_percent("api.a.test", {"canary": "100"}, "me"))
    assert running.ask() == ["192.0.2.20"]
    assert outcome["before"]["percent"] == {"canary": "0"}
    assert outcome["after"]["percent"] == {"canary": "100"}
    assert kept(running.site)["services"]["api.a.test"]["percent"]["value"] == {"canary": "100"}
    (drift,) = running.control.status()["drift"]
    assert drift["service"] == "api.a.test"
    assert drift["field"] == "percent"
    assert (drift["file"], drift["live"]) == ({"canary": "0"}, {"canary": "100"})
    assert drift["actor"] == "me"


def test_a_growing_share_moves_no_client_back(running: Running) -> None:
    """Clients that have the canary at 10 % have it at 50 %."""
    subnets = [f"172.16.{number}.0" for number in range(200)]
    finished(running.control.service_percent("API.a.test.", {"canary": "10"}, "me"))
    few = {subnet for subnet in subnets if running.ask(subnet=subnet) == ["192.0.2.20"]}
    finished(running.control.service_percent("api.a.test", {"canary": "50"}, "me"))
    many = {subnet for subnet in subnets if running.ask(subnet=subnet) == ["192.0.2.20"]}
    assert few < many
    assert running.control.service_show("api.a.test")["asked"] == {"stable": 50.0, "canary": 50.0}


def test_weights_take_the_place_of_percent(running: Running) -> None:
    """Only one way to share holds; the last one given."""
    finished(running.control.service_percent("api.a.test", {"canary": "10"}, "me"))
    finished(running.control.service_weights("api.a.test", {"stable": 1, "canary": 3}, "me"))
    shown = running.control.service_show("api.a.test")
    assert shown["effective"]["weights"] == {"stable": 1, "canary": 3}
    assert shown["effective"]["percent"] == {}
    assert shown["asked"] == {"stable": 25.0, "canary": 75.0}
    assert [drift["field"] for drift in shown["live"]] == ["weights"]


def test_a_network_unknown_so_far_can_be_listed(running: Running) -> None:
    """A whitelist entry holds for its network, also beside networks that rules know, and can be taken off again."""
    listed = ["net:172.16.5.0/24", "net:10.2.4.0/24"]
    finished(running.control.service_whitelist("api.a.test", "canary", listed, [], "me"))
    assert running.ask(subnet="172.16.5.0") == ["192.0.2.20"]
    assert running.ask(subnet="172.16.6.0") == ["192.0.2.10"]
    assert running.ask(subnet="10.2.9.0") == ["192.0.2.20"]  # by its rule
    finished(running.control.service_whitelist("api.a.test", "canary", [], listed[:1], "me"))
    assert running.ask(subnet="172.16.5.0") == ["192.0.2.10"]
    assert running.control.service_show("api.a.test")["effective"]["whitelist"] == {"canary": listed[1:]}
    with pytest.raises(ControlError, match="not on the whitelist"):
        finished(running.control.service_whitelist("api.a.test", "canary", [], ["net:10.9.0.0/16"], "me"))


def test_an_abort_leaves_only_the_default(running: Running) -> None:
    """Rules and shares that name another version have no hold; nothing else can be changed before a revert."""
    finished(running.control.service_percent("api.a.test", {"canary": "100"}, "me"))
    finished(running.control.service_abort("api.a.test", "me"))
    assert running.ask() == running.ask(subnet="10.2.9.0") == ["192.0.2.10"]
    with pytest.raises(ControlError, match="service revert"):
        finished(running.control.service_percent("api.a.test", {"canary": "5"}, "me"))
    finished(running.control.service_revert("api.a.test", "me"))
    assert running.ask() == ["192.0.2.10"]
    assert running.ask(subnet="10.2.9.0") == ["192.0.2.20"]
    assert not running.control.status()["drift"]
    with pytest.raises(ControlError, match="has no live changes"):
        finished(running.control.service_revert("api.a.test", "me"))


def test_gray_goes_off_and_on(running: Running) -> None:
    """All services, or those of a tenant, give their default, and status says so."""
    finished(running.control.service_percent("api.a.test", {"canary": "100"}, "me"))
    for tenant in (None, "one"):
        finished(running.control.gray_off(tenant, "me"))
        assert running.ask() == running.ask(subnet="10.2.9.0") == ["192.0.2.10"]
        assert running.control.status()["gray_off"] == [tenant or "*"]
        finished(running.control.gray_on(tenant, "me"))
        assert running.ask() == ["192.0.2.20"]
    with pytest.raises(ControlError, match="not off"):
        finished(running.control.gray_on(None, "me"))
    with pytest.raises(ControlError, match="no tenant"):
        finished(running.control.gray_off("nobody", "me"))


@pytest.mark.parametrize(
    ("percent", "why"),
    [
        ({"canary": "101"}, "0 to 100"),
        ({"canary": "0.00001"}, "steps of 0.0001"),
        ({"blue": "5"}, "no version blue"),
        ({"stable": "5"}, "default"),
        ({}, "no version is given"),
    ],
)
def test_what_cannot_be_is_refused(running: Running, percent: dict[str, str], why: str) -> None:
    """The text says why; nothing has changed."""
    with pytest.raises(ControlError, match=why):
        finished(running.control.service_percent("api.a.test", percent, "me"))
    assert not running.control.status()["drift"]
    assert not (running.site.folder / "var" / "live.json").exists()


def test_a_full_disk_refuses_changes(running: Running) -> None:
    """A change that cannot be stored is not served."""
    running.core.live_commands.in_thread = full
    with pytest.raises(ControlError, match="No space left"):
        finished(running.control.service_percent("api.a.test", {"canary": "100"}, "me"))
    assert running.ask() == ["192.0.2.10"]
    assert not running.control.status()["drift"]


def test_changes_outlive_a_restart(site: Site, clock: Clock) -> None:
    """A server that starts anew answers as the one before did."""
    first = begin(site, clock)
    finished(first.control.service_percent("api.a.test", {"canary": "100"}, "me"))
    assert begin(site, clock).ask() == ["192.0.2.20"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_change_ends_when_it_is_to(site: Site, clock: Clock, restart: bool) -> None:
    """After its time the file counts again, by itself, whether the server was restarted meanwhile or not."""
    running = begin(site, clock)
    running.core.periodic_tasks.start()
    finished(running.control.service_percent("api.a.test", {"canary": "100"}, "me", seconds=7200))
    assert running.control.service_show("api.a.test")["live"][0]["until"] == "2025-11-13T04:13:20.000Z"
    clock.advance(7190)
    if restart:
        running.core.periodic_tasks.stop()
        running = begin(site, clock)
        running.core.periodic_tasks.start()
    assert running.ask() == ["192.0.2.20"]
    clock.advance(9)
    assert running.ask() == ["192.0.2.20"]
    clock.advance(2)
    assert running.ask() == ["192.0.2.10"]
    assert kept(site)["services"] == {}
    running.core.periodic_tasks.stop()


def test_the_end_of_a_change_is_written_down(site: Site, clock: Clock) -> None:
    """With the values before and after, and the tenant; also if no file has the service any more."""
    audit = AuditLog(
        site.folder / "audit.log",
        HmacChain(bytes(32)),
        clock.seconds,
        lambda: AuditLogBounds(1 << 20, 5),
    )
    running = begin(site, clock, audit)
    running.core.periodic_tasks.start()
    finished(running.control.service_percent("api.a.test", {"canary": "100"}, "me", seconds=60))
    state = running.core.state
    services = {"gone.test": state.live.services["api.a.test"], **state.live.services}
    state.serve(state.base_snapshot, evolve(state.live, services=services))
    clock.advance(61)
    running.core.periodic_tasks.stop()
    lines = [(line["origin"], line["action"], line["target"], line["tenant"]) for line in audit.tail(9)]
    action = "time", "service expire"
    assert lines == [(*action, "gone.test", None), (*action, "api.a.test", "one")]
    ended = audit.tail(1)[0]
    assert [ended[key]["percent"] for key in ("before", "after")] == [{"canary": "100"}, {"canary": "0"}]


def counting(running: Running) -> list[Set[tuple[str, str]]]:
    """The services that are counted anew from now on, change by change."""
    anew: list[Set[tuple[str, str]]] = []

    class Counting:
        def version_traffic(self, tenant: str, service: str) -> dict[str, ServedCounts]:
            return {}

        def reset_services(self, services: Set[tuple[str, str]]) -> None:
            anew.append(services)

    running.core.state.shares = Counting()
    return anew


@in_reactor
async def test_counting_restarts_when_clients_are_assigned_otherwise(running: Running) -> None:
    """By ``client_key`` or ``client_prefix``; another TTL leaves the count."""
    anew, text = counting(running), running.site.file().read_text()
    api, line = {("one", "api.a.test")}, "    default: stable\n"
    steps: tuple[tuple[str, list[object]], ...] = (
        ("ttl: 7s", []),
        ("ttl: 7s, client_key: [source]", [api]),
        ("ttl: 8s, client_key: [source]", [api]),
        ("ttl: 8s, client_key: [source], client_prefix: {ipv4: 24}", [api, api]),
    )
    for version, (keys, expected) in enumerate(steps, 2):
        more = "".join(f"    {key}\n" for key in keys.split(", "))
        running.site.file().write_text(text.replace('"1"', f'"{version}"').replace(line, line + more))
        assert (await running.control.reload("me"))["changed"]
        assert anew == expected


def test_what_was_served_is_counted_anew_when_others_get_it(running: Running) -> None:
    """However that came about; a change of another service, or none, leaves the count."""
    anew = counting(running)
    control, api = running.control, {("one", "api.a.test")}
    finished(control.service_percent("api.a.test", {"canary": "50"}, "me"))
    finished(control.service_percent("api.a.test", {"canary": "50"}, "me"))
    finished(control.gray_off(None, "me"))
    finished(control.service_revert("api.a.test", "me"))
    assert anew == [api, api]
    finished(control.gray_on(None, "me"))
    assert anew == [api, api]  # it ends where it began: the default for everybody


def test_what_ended_while_nothing_ran_is_gone(site: Site, clock: Clock) -> None:
    """A change whose time ran out between two runs is not in force again."""
    finished(begin(site, clock).control.service_percent("api.a.test", {"canary": "100"}, "me", seconds=60))
    clock.advance(61)
    running = begin(site, clock)
    assert running.ask() == ["192.0.2.10"]
    assert not running.control.status()["drift"]


@in_reactor
async def test_a_change_stays_over_reloads(running: Running) -> None:
    """The file may change below it; where it does not fit any more it is set aside, and says so."""
    await running.control.service_percent("api.a.test", {"canary": "100"}, "me")
    running.site.write("2", "7", more="  - {name: new, when: {source: 10.9.0.0/16}, then: {block: nodata}}\n")
    await running.control.reload("me")
    assert running.ask() == ["192.0.2.20"]
    assert running.control.status()["drift"][0]["file"] == {"canary": "7"}
    text = running.site.file().read_text().replace('"2"', '"3"').replace("canary", "green")
    running.site.file().write_text(text)
    await running.control.reload("me")
    assert running.canaries() < 50
    assert "canary" in running.control.status()["drift"][0]["unfit"]
    await running.control.service_revert("api.a.test", "me")
    assert not running.control.status()["drift"]


@in_reactor
async def test_an_abort_works_while_files_are_broken(running: Running) -> None:
    """It needs nothing of the files."""
    running.site.write("2", "100")
    await running.control.reload("me")
    running.site.file().write_text("{")
    await running.control.service_abort("api.a.test", "me")
    assert running.ask() == ["192.0.2.10"]


def test_services_are_listed(running: Running) -> None:
    """Each with its tenant, versions and whether it departs from its file."""
    assert running.control.services() == [
        {
            "name": "api.a.test",
            "tenant": "one",
            "zone": "a.test",
            "default": "stable",
            "versions": ["stable", "canary"],
            "live": False,
        }
    ]
    assert running.control.services("two") == []
    json.dumps([running.control.service_show("api.a.test"), running.control.config()])
    with pytest.raises(ControlError, match="no service"):
        running.control.service_show("nope.a.test")


@in_reactor
async def test_explain_gives_the_running_rules(running: Running) -> None:
    """What is given about the client is trusted, and every rule has its reason."""
    reported = await running.control.explain("api.a.test", "A", subnet="10.2.7.0/24", tags=["team=x"])
    assert reported["decided_by"] == "rule vip"
    assert reported["rules"][0]["matched"] is True
    json.dumps(reported)
    assert (await running.control.explain("api.a.test", "AAAA", client="someone"))["key"] == "identity client:someone"
    wrongs: tuple[dict[str, Any], ...] = ({"rdtype": "NOPE"}, {"source": "x"}, {"transport": "smoke"}, {"tags": ["x"]})
    for wrong in wrongs:
        with pytest.raises(ControlError):
            await running.control.explain(**{"name": "api.a.test", "rdtype": "A", **wrong})


@pytest.mark.integration
@in_reactor
async def test_explain_ends_with_the_snapshot_it_began_with(site: Site) -> None:
    """A swap meanwhile lets nothing go that it still reads, and queries are answered between its steps."""
    rules = "".join(
        f"  - {{name: r{number}, when: {{source: 10.{number >> 8}.{number & 255}.0/24}}, then: {{version: canary}}}}\n"
        for number in range(1000, 4000)
    )
    site.write(more=rules)
    running = run(site, reactor, in_thread=at_once)
    explaining = Deferred.fromCoroutine(running.control.explain("api.a.test", "A", subnet="10.2.7.0/24"))
    assert not explaining.called
    before = ref(running.server.snapshot)
    site.write("2")
    await running.control.reload("")
    assert len((await explaining)["rules"]) == 3001
    assert len((await running.control.explain("api.a.test", "A"))["rules"]) == 1
    assert running.ask() == ["192.0.2.10"]
    await until(lambda: before() is None)
