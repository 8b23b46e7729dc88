"""Tallies count every answer once, in bounded memory."""

from __future__ import annotations

from graydns.fast.clients import ROOM
from graydns.fast.tally import MOST, OTHER, Group, Tallies
from graydns.model.decision import Cohort, Decision, Kind


def decision(version: str = "stable", service: str = "api.test", tenant: str = "t") -> Decision:
    """A Decision of a name whose clients get different answers."""
    return Decision(Cohort(tenant, service, version, "192.0.2.1"), Kind.VERSION, varies=True)


def total(tallies: Tallies) -> int:
    return sum(tally.total for tally in tallies)


def test_alike_answers_share_a_tally() -> None:
    """Endpoints do not matter, rcodes and versions do."""
    tallies = Tallies()
    assert tallies.of(0, decision(), "t") is tallies.of(0, decision(), "t")
    assert tallies.of(3, decision(), "t") is not tallies.of(0, decision(), "t")
    assert tallies.of(0, decision("canary"), "t") is not tallies.of(0, decision(), "t")


def test_what_nobody_decided_is_the_tenants() -> None:
    """A query without a verdict counts for the asker's tenant."""
    assert Tallies().of(5, None, "t").group == Group("t")


def test_rules_are_no_versions() -> None:
    """The name of a rule stands where a service's would, and is told apart."""
    assert Group("t", "api.test", "canary").is_version
    assert not Group("t", "ads", "rule:ads").is_version
    assert not Group("t").is_version


def test_further_groups_are_other() -> None:
    """Past the bound, services are counted together, in their tenant; past twice the bound, all of them."""
    tallies = Tallies()
    for number in range(MOST + 500):
        tallies.of(0, decision(service=f"s{number}"), "t").piped += 1
    assert len(tallies) == MOST + 1
    assert tallies.of(0, decision(service="late"), "t").group == Group("t", OTHER, OTHER)
    for number in range(2 * MOST):
        tallies.of(0, decision(tenant=f"t{number}"), f"t{number}").piped += 1
    assert len(tallies) <= 2 * MOST + 1
    assert total(tallies) == 3 * MOST + 500


def test_making_room_loses_no_count() -> None:
    """Groups that are gone are counted as other, and what is there stays."""
    tallies = Tallies()
    for number in range(20):
        tallies.of(0, decision(service=f"s{number}"), "t").hot += number
    tallies.of(0, None, "t").parsed += 7
    before = total(tallies)
    tallies.prune({Group("t", "s3", "stable")})
    assert total(tallies) == before
    assert len(tallies) == 3
    assert tallies.of(0, decision(service="s3"), "t").hot == 3


def test_windows_forget() -> None:
    """What was served is told for the window that runs and the one before it."""
    tallies = Tallies()
    tallies.of(0, decision(), "t").hot += 10
    tallies.of(0, decision(), "t").clients.note(b"\1one", b"")
    list(tallies.turn())
    tallies.of(3, decision(), "t").piped += 1
    tallies.of(0, decision(), "t").clients.note(b"\1two", b"")
    assert tallies.served("t", "api.test")["stable"] == (11, 2)
    list(tallies.turn())
    assert tallies.served("t", "api.test")["stable"] == (1, 1)
    list(tallies.turn())
    assert tallies.served("t", "api.test")["stable"] == (0, 0)
    assert total(tallies) == 11


def test_a_client_that_stays_is_in_every_window() -> None:
    """Whoever asks in both windows is counted in the second, too."""
    tallies = Tallies()
    clients = tallies.of(0, decision(), "t").clients
    for _ in range(4):
        clients.note(b"\1one", b"")
        assert clients.count() == 1
        list(tallies.turn())


def test_a_new_policy_starts_anew() -> None:
    """After a change of a service, what it served before is not told; that of others is."""
    tallies = Tallies()
    for service in ("api.test", "www.test"):
        tallies.of(0, decision(service=service), "t").hot += 5
        tallies.of(0, decision(service=service), "t").clients.note(b"\1one", b"")
    tallies.restart({("t", "api.test")})
    assert tallies.served("t", "api.test")["stable"] == (0, 0)
    assert tallies.served("t", "www.test")["stable"] == (5, 1)
    tallies.of(0, decision(), "t").hot += 2
    assert tallies.served("t", "api.test")["stable"].queries == 2


def test_where_all_get_the_same_nobody_is_counted() -> None:
    """A version that everybody gets has no distinct clients to tell, and keeps none."""
    tallies = Tallies()
    alone = Decision(Cohort("t", "api.test", "stable"), Kind.VERSION)
    tally = tallies.of(0, alone, "t")
    for number in range(10 * ROOM):
        tally.clients.note(b"\x01%d" % number, b"")
    assert tallies.served("t", "api.test")["stable"].clients is None
    assert len(tally.clients.last) <= ROOM


def test_clients_are_remembered_boundedly_and_counted_all() -> None:
    """The last queries of a few hundred clients are kept, the newest first; the sketch has all."""
    clients = Tallies().of(0, decision(), "t").clients
    for number in range(5000):
        clients.note(b"\x01%d" % number, b"query %d" % number)
    kept = list(clients.queries())
    assert ROOM <= len(kept) <= 2 * ROOM + 1
    assert kept[0] == (b"\x014999", b"query 4999")
    assert abs(clients.count() - 5000) < 500
