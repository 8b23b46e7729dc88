"""The hot table keeps what is asked for within its bound."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graydns.fast.hot import AD, OPT, OVERHEAD, RA, RD, SEEN, Entry, Fork, HotTable
from graydns.model import name
from graydns.model.answer import ANSWER, Answer, Security
from graydns.model.decision import Cohort, Decision
from graydns.model.query import Client, Query
from graydns.wire.body import RRset, build

DECISION = Decision(Cohort("default"))


class OnePlan:
    """A Plan for which all clients are alike."""

    single = DECISION


class ForkPlan:
    """A Plan that tells clients apart, by their subnet."""

    single = None
    by_subnet = True


def entry(text: str = "www.test", decision: Decision = DECISION, **fields: Any) -> tuple[bytes, Entry]:
    """A table key and an Entry with one A record of TTL 100."""
    qname = name.from_text(text)
    question = qname + b"\0\1\0\1"
    query = Query(1, b"", question, qname, 1, 1, Client(b"\x7f\0\0\1"))
    body, spans = build(qname, [RRset(ANSWER, qname, 1, 1, 100, (b"\xc0\0\2\1",))])
    return question, Entry(query, Answer(body=body, spans=spans, ttl=100, **fields), decision)


def test_what_is_kept_is_found() -> None:
    """An Entry is found under its own flags and under no others."""
    table = HotTable(1 << 20)
    key, kept = entry()
    table.keep(2, key, kept, OnePlan())  # type: ignore[arg-type]
    assert table.get(2, key) is kept
    assert table.get(0, key) is None


@given(st.lists(st.integers(0, 400), max_size=600))
def test_bytes_stay_within_the_limit(numbers: list[int]) -> None:
    """Whatever is kept and asked, the estimate stays at or under the limit."""
    table = HotTable(40 * (OVERHEAD + 60))
    for number in numbers:
        key, kept = entry(f"n{number}.test")
        if table.get(0, key) is None:
            table.keep(0, key, kept, OnePlan())  # type: ignore[arg-type]
        assert table.size <= table.limit
        held = sum(map(len, table.young)) + sum(map(len, table._old))
        assert table.size >= held * OVERHEAD


def test_a_name_that_is_asked_for_outlives_a_flood() -> None:
    """A slot that is hit now and then survives any number of others that are not."""
    table = HotTable(60 * (OVERHEAD + 60))
    key, kept = entry("wanted.test")
    table.keep(0, key, kept, OnePlan())  # type: ignore[arg-type]
    for number in range(2000):
        other, noise = entry(f"noise{number}.test")
        table.keep(0, other, noise, OnePlan())  # type: ignore[arg-type]
        if number % 10 == 0:
            assert table.get(0, key) is kept


def test_decisions_of_one_name_stand_side_by_side() -> None:
    """Two cohorts of a name never take each other's place; a new Plan starts a new Fork."""
    table, plan = HotTable(1 << 20), ForkPlan()
    other = Decision(Cohort("default", "www.test", "canary"))
    key, stable = entry()
    _, canary = entry(decision=other)
    table.keep(0, key, stable, plan)  # type: ignore[arg-type]
    table.keep(0, key, canary, plan)  # type: ignore[arg-type]
    slot = table.get(0, key)
    assert isinstance(slot, Fork)
    assert slot.entries == {DECISION: stable, other: canary}
    table.keep(0, key, stable, ForkPlan())  # type: ignore[arg-type]
    slot = table.get(0, key)
    assert isinstance(slot, Fork)
    assert list(slot.entries) == [DECISION]


def test_header_bits_follow_the_asker() -> None:
    """RD is copied, RA is the asker's right, AD is shown only where secure and asked for, OPT is counted."""
    _, secure = entry(security=Security.SECURE)
    _, plain = entry()
    assert secure.heads[AD][1] & 0x20
    assert not secure.heads[0][1] & 0x20
    assert not plain.heads[AD][1] & 0x20
    assert plain.heads[RD][0] & 1
    assert not plain.heads[0][0] & 1
    assert plain.heads[RA][1] & 0x80
    assert plain.heads[OPT][-1] == 1
    assert plain.heads[0][-1] == 0


def test_cached_answers_age_and_leave_early() -> None:
    """TTLs fall with time, and the last tenth of a lifetime is left to the cache."""
    _, kept = entry(stored=1000.0, forwarded=True)
    kept.age(1030.5)
    assert kept.body[6:10] == (70).to_bytes(4, "big")
    assert kept.expires == 1090.0
    _, ours = entry()
    assert ours.expires == float("inf")
    assert not ours.guarded


def fork_of(table: HotTable, text: str) -> tuple[Fork, Entry]:
    """A Fork in *table*, and its one Entry."""
    key, kept = entry(text)
    table.keep(0, key, kept, ForkPlan())  # type: ignore[arg-type]
    slot = table.get(0, key)
    assert isinstance(slot, Fork)
    return slot, kept


def test_subnets_seen_are_bounded_over_all_forks() -> None:
    """However many subnets ask for however many names, so many are remembered as the limit allows."""
    table = HotTable(100 * SEEN)
    forks = [fork_of(table, f"n{number}.test") for number in range(3)]
    for number in range(10_000):
        fork, kept = forks[number % 3]
        table.remember(fork, number.to_bytes(4, "big"), kept)
        assert sum(len(fork.seen) for fork, _ in forks) <= 100


def test_a_new_entry_or_a_new_window_forgets_who_was_seen() -> None:
    """What was remembered of clients never outlives the answers it leads to."""
    table, plan = HotTable(1 << 20), ForkPlan()
    key, kept = entry()
    table.keep(0, key, kept, plan)  # type: ignore[arg-type]
    fork = table.get(0, key)
    assert isinstance(fork, Fork)
    table.remember(fork, b"subnet", kept)
    table.keep(0, key, entry()[1], plan)  # type: ignore[arg-type]
    assert not fork.seen
    table.remember(fork, b"subnet", kept)
    table.forget()
    assert not fork.seen
