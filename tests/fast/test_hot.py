"""The hot table keeps what is asked for within its bound."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graydns.fast.entry import AD, OPT, RA, RD, Asked, Entry, Fork
from graydns.fast.hot import ASKED, OVERHEAD, SEEN, HotTable
from graydns.fast.shape import read_shape
from graydns.model import name
from graydns.model.answer import ANSWER, Answer
from graydns.model.decision import Cohort, Decision
from graydns.model.proof import Security
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


WIRE = b"\x12\x34\1\0\0\1\0\0\0\0\0\0"
BARE = read_shape(b"", 1232)


def recognise(table: HotTable, question: bytes, recursion: int = 0) -> Asked | None:
    """What a query for *question* without OPT leads to."""
    assert BARE is not None
    return table.recognise(WIRE + question, 12 + len(question), BARE, recursion)


def test_a_question_asked_again_with_the_same_octets_is_known() -> None:
    """What it led to is found by its octets, with the whole reply but for id and OPT."""
    table = HotTable(1 << 20)
    key, kept = entry()
    assert recognise(table, key) is None
    table.keep(0, key, kept, OnePlan())  # type: ignore[arg-type]
    asked = recognise(table, key, RA)
    assert asked is not None
    assert asked.entry is kept
    assert asked.start == kept.heads[RD | RA] + key + kept.body
    assert table.asked[RA] == {WIRE[2:] + key: asked}
    assert not table.asked[0]
    list(table.clear())
    assert recognise(table, key) is None
    assert not any(table.asked)


def test_capitals_are_recognised_and_not_remembered() -> None:
    """Of a name there is one way to write it that takes room."""
    table = HotTable(1 << 20)
    key, kept = entry()
    table.keep(0, key, kept, OnePlan())  # type: ignore[arg-type]
    shouted = key.upper()[:-4] + key[-4:]
    asked = recognise(table, shouted)
    assert asked is not None
    assert asked.start[10:].startswith(shouted)
    assert not any(table.asked)


@given(st.lists(st.integers(0, 200), max_size=300))
def test_what_was_asked_takes_room_of_the_table(numbers: list[int]) -> None:
    """Remembering how it was asked never takes the table past its limit, nor hides a slot."""
    table = HotTable(60 * (OVERHEAD + 60))
    for number in numbers:
        key, kept = entry(f"n{number}.test")
        if table.get(0, key) is None:
            table.keep(0, key, kept, OnePlan())  # type: ignore[arg-type]
        assert recognise(table, key) is not None
        assert table.size <= table.limit
        assert sum(map(len, table.asked)) * ASKED <= table.limit // 2


def test_a_cached_answer_that_comes_anew_is_what_the_question_leads_to() -> None:
    """A refreshed answer takes the place of the old one for those who ask as before."""
    table = HotTable(1 << 20)
    key, old = entry(stored=1000.0, forwarded=True)
    _, new = entry(stored=1090.0, forwarded=True)
    table.keep(0, key, old, OnePlan())  # type: ignore[arg-type]
    asked = recognise(table, key)
    table.keep(0, key, new, OnePlan())  # type: ignore[arg-type]
    assert asked is not None
    assert asked.entry is not None
    assert not asked.start
    assert asked.entry.expires == new.expires
    assert table.get(0, key) is asked.entry


def test_nothing_leads_to_a_slot_that_was_replaced() -> None:
    """An answer that becomes a fork, or a fork with another Plan, is found by those who asked before."""
    table = HotTable(1 << 20)
    key, kept = entry()
    table.keep(0, key, kept, OnePlan())  # type: ignore[arg-type]
    recognise(table, key)
    for _ in range(2):
        table.keep(0, key, kept, ForkPlan())  # type: ignore[arg-type]
        assert not any(table.asked)
        asked = recognise(table, key)
        assert asked is not None
        assert asked.fork is table.get(0, key)
        assert asked.entry is None


def test_other_questions_stay_when_a_slot_is_replaced() -> None:
    """Of what was asked, only what led to that slot is forgotten, with whatever header, and the estimate is right."""
    table = HotTable(1 << 20)
    other, theirs = entry("other.test")
    table.keep(0, other, theirs, OnePlan())  # type: ignore[arg-type]
    asked = recognise(table, other)
    size = table._asked_size
    key, kept = entry()
    table.keep(0, key, kept, OnePlan())  # type: ignore[arg-type]
    for recursion in (0, RA):
        assert recognise(table, key, recursion) is not None
    table.keep(0, key, kept, ForkPlan())  # type: ignore[arg-type]
    assert [found for known in table.asked for found in known.values()] == [asked]
    assert table._asked_size == size


def test_the_estimate_of_a_table_follows_what_is_replaced() -> None:
    """An entry that becomes a fork and an entry again leaves nothing behind in the books when it goes."""
    table, view = HotTable(1 << 20), object()
    key, kept = entry()
    for plan in (OnePlan(), ForkPlan(), ForkPlan(), OnePlan()):
        table.keep(0, key, kept, plan)  # type: ignore[arg-type]
    table.tie(0, key, view)
    table.forget_view(view)
    assert table.size == 0


def test_what_was_made_of_a_view_goes_with_it() -> None:
    """Slots, and what was asked for with the same octets; other questions stay as they are, and the estimate right."""
    for count in (1, 200):  # few are looked for one by one, many go with all that was asked
        table, view = HotTable(1 << 22), object()
        other, kept = entry("other.test")
        table.keep(0, other, kept, OnePlan())  # type: ignore[arg-type]
        assert recognise(table, other) is not None
        before = table.size if count == 1 else table.size - table._asked_size
        for number in range(count):
            key, made = entry(f"n{number}.test")
            table.keep(0, key, made, OnePlan())  # type: ignore[arg-type]
            table.tie(0, key, view)
            assert recognise(table, key) is not None
        table.forget_view(view)
        assert table.size == before
        for number in range(count):
            assert recognise(table, entry(f"n{number}.test")[0]) is None
        assert table.get(0, other) is kept
        table.forget_view(view)
