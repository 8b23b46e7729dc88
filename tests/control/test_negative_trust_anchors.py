"""Negative trust anchors: in force at once, on the disk, over restarts, and gone when they are to be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import HmacChain
from graydns.dnssec.zone_status import ZoneStatus
from graydns.model.answer import Answer
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.errors import ConfigError, ControlError, ResolveError
from graydns.model.name import from_text
from graydns.resolve.cache.cache_keys import CacheKey
from tests.control.running import Running, Site, begin
from tests.coroutines import finished

T = TypeVar("T")

#: Of validation; a configured negative trust anchor ends 100 seconds after the clock's begin.
DNSSEC = """\
upstreams: {{up: {{servers: ['udp://127.0.0.1:9']}}}}
dnssec: {{validate: {validate}, negative_trust_anchors: [{{name: old.test}}, {{name: soon.test, until: {until}}}]}}
"""

DAY = 86_400.0


def write(site: Site, validate: str = "true") -> None:
    site.write_main(DNSSEC.format(validate=validate, until="2025-11-13T02:15:00Z"))


@pytest.fixture
def validating(site: Site, clock: Clock) -> Running:
    """A server that validates."""
    write(site)
    return begin(site, clock)


def add(running: Running, name: str = "broken.test", seconds: float = DAY) -> dict[str, Any]:
    return finished(running.control.nta_add(name, seconds, "keys lost", "me"))


def remove(running: Running, name: str = "broken.test") -> dict[str, Any]:
    return finished(running.control.nta_remove(name, "me"))


def kept(site: Site) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((site.folder / "var" / "live.json").read_text())
    return data


def counting(running: Running) -> frozenset[bytes]:
    return running.server.stores.validation.negative_anchors


def key_of(running: Running, name: str) -> CacheKey:
    group = running.server.snapshot.forward.by_name["up"]
    return CacheKey(from_text(name), 1, 1, False, False, group.identity, (), None, "default", None)


def hold(running: Running, name: str, security: Security | None) -> None:
    """Remember an answer for *name* that turned out so."""
    group = running.server.snapshot.forward.by_name["up"]
    proof = None if security is None else ValidationStatus(security)
    answer = Answer(origin=group, ttl=300, forwarded=True, proof=proof)
    running.server.stores.answers.store(key_of(running, name), answer, running.server.front.clock())


def held(running: Running, *names: str) -> list[str]:
    """Those of *names* for which there is an answer."""
    return [name for name in names if running.control.cache_lookup(name, "A")]


def test_it_counts_at_once(validating: Running) -> None:
    """When the command returns it is in force and stored, and every report shows it."""
    done = add(validating, "Broken.Test.")
    assert counting(validating) == {from_text("broken.test")}
    assert done == {
        "name": "broken.test",
        "before": None,
        "after": {"until": "2025-11-14T02:13:20.000Z", "reason": "keys lost"},
        "until": "2025-11-14T02:13:20.000Z",
    }
    assert kept(validating.site)["negative_trust_anchors"]["broken.test"]["actor"] == "me"
    rows = {row["name"]: (row["source"], row["until"], row["actor"]) for row in validating.control.nta_list()}
    assert rows == {
        "old.test": ("config", None, None),
        "soon.test": ("config", "2025-11-13T02:15:00.000Z", None),
        "broken.test": ("operator", "2025-11-14T02:13:20.000Z", "me"),
    }
    (drift,) = validating.control.status()["drift"]
    assert (drift["field"], drift["live"], drift["unfit"]) == ("negative_trust_anchor", "broken.test", None)


@pytest.mark.parametrize("change", [add, remove])
def test_what_rests_on_it_is_forgotten(validating: Running, change: Callable[[Running], object]) -> None:
    """Answers at and below the name, and all that are insecure, as a chain of theirs may lead there; no others."""
    if change is remove:
        add(validating)
    for name in ("broken.test", "www.broken.test", "notbroken.test", "secure.test", "raw.test", "insecure.test"):
        hold(validating, name, Security.SECURE if name != "raw.test" else None)
    hold(validating, "insecure.test", Security.INSECURE)
    hold(validating, "raw.broken.test", None)
    validation = validating.server.stores.validation
    zones = validation.zones("default", "")
    for name in ("broken.test", "sub.broken.test", "test"):
        zone = ZoneStatus(from_text(name), Security.BOGUS if "broken" in name else Security.INSECURE, expires=1e12)
        zones.store(zone.name, zone, 0.0)
    validation.bogus_answers.add(key_of(validating, "elsewhere.test"), ResolveError("bogus"), 0.0)
    change(validating)
    names = "broken.test", "www.broken.test", "raw.broken.test", "insecure.test"
    assert held(validating, *names) == []
    assert held(validating, "notbroken.test", "secure.test", "raw.test") == [
        "notbroken.test",
        "secure.test",
        "raw.test",
    ]
    anew = validation.zones("default", "")
    assert [anew.find(from_text(name), 0.0) is None for name in ("broken.test", "sub.broken.test", "test")] == [
        True,
        True,
        False,
    ]
    assert validation.bogus_answers.size == 0
    # Whoever still walks with the old ones changes nothing any more.
    zones.store(from_text("broken.test"), ZoneStatus(from_text("broken.test"), Security.BOGUS), 0.0)
    assert anew.find(from_text("broken.test"), 0.0) is None


@pytest.mark.parametrize("restart", [False, True])
def test_it_ends_by_itself(site: Site, clock: Clock, restart: bool) -> None:
    """At its time, over a restart too, with a line in the audit log; answers that it made insecure are removed."""
    write(site)
    audit = AuditLog(
        site.folder / "audit.log",
        HmacChain(bytes(32)),
        clock.seconds,
        lambda: AuditLogBounds(1 << 20, 5),
    )
    running = begin(site, clock, audit)
    running.core.periodic_tasks.start()
    add(running, seconds=7200)
    clock.advance(7190)
    if restart:
        running.core.periodic_tasks.stop()
        running = begin(site, clock, audit)
        running.core.periodic_tasks.start()
    hold(running, "www.broken.test", Security.INSECURE)
    clock.advance(9)
    assert len(counting(running)) == 1
    assert held(running, "www.broken.test")
    clock.advance(2)
    assert not counting(running)
    assert not held(running, "www.broken.test")
    assert kept(site)["negative_trust_anchors"] == {}
    (line,) = audit.tail(9)
    assert [line[key] for key in ("action", "target", "origin")] == ["nta expire", "broken.test", "time"]
    running.core.periodic_tasks.stop()


def test_one_that_expired_while_the_server_was_stopped_is_gone(site: Site, clock: Clock) -> None:
    """A restart brings nothing back."""
    write(site)
    add(begin(site, clock), seconds=60)
    clock.advance(61)
    assert not counting(begin(site, clock))


def test_what_a_configured_one_made_insecure_ends_with_it(validating: Running, clock: Clock) -> None:
    """Its answers are forgotten at its end, and it is listed no more."""
    validating.core.periodic_tasks.start()
    clock.advance(50)
    hold(validating, "www.soon.test", Security.INSECURE)
    clock.advance(40)
    assert held(validating, "www.soon.test")
    clock.advance(11)
    assert not held(validating, "www.soon.test")
    assert [row["name"] for row in validating.control.nta_list()] == ["old.test"]
    validating.core.periodic_tasks.stop()


def test_one_that_is_there_is_prolonged(validating: Running) -> None:
    """Adding it again sets its end anew."""
    add(validating, seconds=60)
    done = add(validating, seconds=3600)
    assert (done["before"]["until"], done["until"]) == ("2025-11-13T02:14:20.000Z", "2025-11-13T03:13:20.000Z")
    assert len(counting(validating)) == 1


def test_the_root_is_warned_of(validating: Running) -> None:
    """It is all there is."""
    assert "nothing is validated any more" in add(validating, ".")["warning"]


@pytest.mark.parametrize("name", ["", "@", "a..test", "x" * 64, "two words"])
def test_what_is_no_name(validating: Running, name: str) -> None:
    """The reply has a warning; only the dot names the root."""
    for change in (add, remove):
        with pytest.raises(ControlError, match="is not a domain name"):
            change(validating, name)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 30 * DAY + 1])
def test_it_must_end(validating: Running, seconds: float) -> None:
    """Within 30 days (RFC 7646 section 2)."""
    with pytest.raises(ControlError, match="at most 30 days"):
        add(validating, seconds=seconds)
    assert not counting(validating)


def test_what_cannot_be_removed(validating: Running) -> None:
    """One that is not there, and one that is configured, which each has its own text."""
    with pytest.raises(ControlError, match=r"there is no negative trust anchor at broken\.test"):
        remove(validating)
    with pytest.raises(ControlError, match=r"old\.test is configured: remove it from dnssec\.negative_trust_anchors"):
        remove(validating, "old.test")


def test_a_reason_is_one_line(validating: Running) -> None:
    """It goes to terminals and into a log."""
    for reason in ("two\nlines", "x" * 256):
        with pytest.raises(ControlError, match="expected a reason"):
            finished(validating.control.nta_add("broken.test", 60.0, reason, "me"))


def test_none_is_added_where_nothing_is_validated(site: Site, clock: Clock) -> None:
    """It would be forgotten until the day that it matters; one that is there can be removed."""
    write(site)
    add(begin(site, clock))
    write(site, validate="false")
    running = begin(site, clock)
    with pytest.raises(ControlError, match=r"dnssec\.validate is false"):
        add(running, "other.test")
    assert running.control.status()["drift"][0]["unfit"] == "dnssec.validate is false"
    assert remove(running)["after"] is None
    assert running.control.status()["drift"] == []


def test_a_full_disk_changes_nothing(validating: Running) -> None:
    """A negative trust anchor that cannot be stored does not take effect."""

    async def full(call: Callable[[], T]) -> T:
        raise OSError(28, "No space left on device")

    validating.core.live_commands.in_thread = full
    with pytest.raises(ControlError, match="No space left"):
        add(validating)
    assert not counting(validating)


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_full_disk_keeps_none_from_ending(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch, everywhere: bool
) -> None:
    """It counts no more, over a restart too, and has its line, or that is counted; the file follows with the next
    change."""
    write(site)
    audit = AuditLog(site.folder / "audit.log", HmacChain(bytes(32)), clock.seconds, lambda: AuditLogBounds(1 << 20, 5))
    running = begin(site, clock, audit)
    running.core.periodic_tasks.start()
    add(running, seconds=60)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk, capturedLogs() as logged:
        disk.setattr("os.fsync" if everywhere else "graydns.control.live_change_store.write_durably", full)
        clock.advance(61)
    assert not counting(running)
    assert list(kept(site)["negative_trust_anchors"]) == ["broken.test"]
    assert [line["action"] for line in audit.tail(9)] == ([] if everywhere else ["nta expire"])
    assert audit.failures == everywhere
    reported = [formatEvent(event) for event in logged]
    assert any("live.json cannot be written" in text for text in reported)
    assert any("the audit log cannot be written" in text for text in reported) == everywhere
    assert not counting(begin(site, clock))
    add(running, "other.test")
    assert list(kept(site)["negative_trust_anchors"]) == ["other.test"]
    running.core.periodic_tasks.stop()


@pytest.mark.parametrize("until", ["null", '"soon"'])
def test_a_file_with_one_that_never_ends_is_refused(site: Site, clock: Clock, until: str) -> None:
    """At the start, with its line."""
    write(site)
    (site.folder / "var").mkdir()
    text = f'{{"negative_trust_anchors": {{"x.test": {{"actor": "me", "at": 1, "until": {until}}}}}}}'
    (site.folder / "var" / "live.json").write_text(text)
    with pytest.raises(ConfigError, match=r"live\.json:1.*Unix seconds"):
        begin(site, clock)


def test_none_is_a_tenants(site: Site, clock: Clock) -> None:
    """A tenant's own file may not switch off validation for everybody."""
    write(site)
    text = site.file().read_text().replace("tenant_id: one\n", "tenant_id: one\nisolation_level: storage\n")
    site.file().write_text(text)
    own = site.folder / "var" / "tenants" / "one" / "live.json"
    own.parent.mkdir(parents=True)
    own.write_text('{"negative_trust_anchors": {"x.test": {"actor": "me", "at": 1, "until": 9999999999}}}')
    with pytest.raises(ConfigError, match="they are of the whole server"):
        begin(site, clock)
