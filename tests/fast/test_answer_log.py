"""Tallies count every answer once, in bounded memory."""

from __future__ import annotations

from graydns.fast.answer_log import MAX_COUNTER_GROUPS, OTHER_GROUP, AnswerCounters, CounterGroup
from graydns.fast.client_counter import MAX_RECENT_CLIENTS
from graydns.model.decision import Cohort, Decision, DecisionKind


def decision(version: str = "stable", service: str = "api.test", tenant: str = "t") -> Decision:
    """A Decision of a name whose clients get different answers."""
    return Decision(Cohort(tenant, service, version, "192.0.2.1"), DecisionKind.VERSION, varies=True)


def total(tallies: AnswerCounters) -> int:
    return sum(tally.total for tally in tallies)


def test_alike_answers_share_a_tally() -> None:
    """Endpoints do not matter, rcodes and versions do."""
    tallies = AnswerCounters()
    assert tallies.counter_for(0, decision(), "t") is tallies.counter_for(0, decision(), "t")
    assert tallies.counter_for(3, decision(), "t") is not tallies.counter_for(0, decision(), "t")
    assert tallies.counter_for(0, decision("canary"), "t") is not tallies.counter_for(0, decision(), "t")


def test_what_nobody_decided_is_the_tenants() -> None:
    """A query without a verdict counts for the asker's tenant."""
    assert AnswerCounters().counter_for(5, None, "t").group == CounterGroup("t")


def test_rules_are_no_versions() -> None:
    """The name of a rule stands where a service's would, and is told apart."""
    assert CounterGroup("t", "api.test", "canary").is_version
    assert not CounterGroup("t", "ads", "rule:ads").is_version
    assert not CounterGroup("t").is_version


def test_further_groups_are_other() -> None:
    """Past the bound, services are counted together, in their tenant; past twice the bound, all of them."""
    tallies = AnswerCounters()
    for number in range(MAX_COUNTER_GROUPS + 500):
        tallies.counter_for(0, decision(service=f"s{number}"), "t").piped += 1
    assert len(tallies) == MAX_COUNTER_GROUPS + 1
    assert tallies.counter_for(0, decision(service="late"), "t").group == CounterGroup("t", OTHER_GROUP, OTHER_GROUP)
    for number in range(2 * MAX_COUNTER_GROUPS):
        tallies.counter_for(0, decision(tenant=f"t{number}"), f"t{number}").piped += 1
    assert len(tallies) <= 2 * MAX_COUNTER_GROUPS + 1
    assert total(tallies) == 3 * MAX_COUNTER_GROUPS + 500


def test_making_room_loses_no_count() -> None:
    """Groups that are gone are counted as other, and what is there stays."""
    tallies = AnswerCounters()
    for number in range(20):
        tallies.counter_for(0, decision(service=f"s{number}"), "t").hot += number
    tallies.counter_for(0, None, "t").parsed += 7
    before = total(tallies)
    tallies.prune({CounterGroup("t", "s3", "stable")})
    assert total(tallies) == before
    assert len(tallies) == 3
    assert tallies.counter_for(0, decision(service="s3"), "t").hot == 3


def test_windows_forget() -> None:
    """What was served is told for the window that runs and the one before it."""
    tallies = AnswerCounters()
    tallies.counter_for(0, decision(), "t").hot += 10
    tallies.counter_for(0, decision(), "t").clients.record(b"\1one", b"")
    list(tallies.rotate_window())
    tallies.counter_for(3, decision(), "t").piped += 1
    tallies.counter_for(0, decision(), "t").clients.record(b"\1two", b"")
    assert tallies.version_traffic("t", "api.test")["stable"] == (11, 2)
    list(tallies.rotate_window())
    assert tallies.version_traffic("t", "api.test")["stable"] == (1, 1)
    list(tallies.rotate_window())
    assert tallies.version_traffic("t", "api.test")["stable"] == (0, 0)
    assert total(tallies) == 11


def test_a_client_that_stays_is_in_every_window() -> None:
    """Whoever asks in both windows is counted in the second, too."""
    tallies = AnswerCounters()
    clients = tallies.counter_for(0, decision(), "t").clients
    for _ in range(4):
        clients.record(b"\1one", b"")
        assert clients.count() == 1
        list(tallies.rotate_window())


def test_a_new_policy_starts_anew() -> None:
    """After a change of a service, what it served before is not told; that of others is."""
    tallies = AnswerCounters()
    for service in ("api.test", "www.test"):
        tallies.counter_for(0, decision(service=service), "t").hot += 5
        tallies.counter_for(0, decision(service=service), "t").clients.record(b"\1one", b"")
    tallies.reset_services({("t", "api.test")})
    assert tallies.version_traffic("t", "api.test")["stable"] == (0, 0)
    assert tallies.version_traffic("t", "www.test")["stable"] == (5, 1)
    tallies.counter_for(0, decision(), "t").hot += 2
    assert tallies.version_traffic("t", "api.test")["stable"].queries == 2


def test_where_all_get_the_same_nobody_is_counted() -> None:
    """A version that everybody gets has no distinct clients to tell, and keeps none."""
    tallies = AnswerCounters()
    alone = Decision(Cohort("t", "api.test", "stable"), DecisionKind.VERSION)
    tally = tallies.counter_for(0, alone, "t")
    for number in range(10 * MAX_RECENT_CLIENTS):
        tally.clients.record(b"\x01%d" % number, b"")
    assert tallies.version_traffic("t", "api.test")["stable"].clients is None
    assert len(tally.clients.recent) <= MAX_RECENT_CLIENTS


def test_clients_are_remembered_boundedly_and_counted_all() -> None:
    """The last queries of a few hundred clients are kept, the newest first; the sketch has all."""
    clients = AnswerCounters().counter_for(0, decision(), "t").clients
    for number in range(5000):
        clients.record(b"\x01%d" % number, b"query %d" % number)
    kept = list(clients.queries())
    assert MAX_RECENT_CLIENTS <= len(kept) <= 2 * MAX_RECENT_CLIENTS + 1
    assert kept[0] == (b"\x014999", b"query 4999")
    assert abs(clients.count() - 5000) < 500
