"""The hot table keeps what is asked for within its bound."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graydns.fast.hot_entry import AD_BIT, OPT_BIT, RA_BIT, RD_BIT, HotEntry, HotQuestion, HotVariants
from graydns.fast.hot_table import QUESTION_OVERHEAD_BYTES, SLOT_OVERHEAD_BYTES, SUBNET_OVERHEAD_BYTES, HotTable
from graydns.fast.tail_shape import parse_tail_shape
from graydns.model import name
from graydns.model.answer import ANSWER, Answer
from graydns.model.client import Client
from graydns.model.decision import Cohort, Decision
from graydns.model.dnssec_values import Security
from graydns.model.query import Query
from graydns.wire.answer_body import RRset, build_body

DECISION = Decision(Cohort("default"))


class OnePlan:
    """A Plan for which all clients are alike."""

    constant_decision = DECISION


class ForkPlan:
    """A Plan that tells clients apart, by their subnet."""

    constant_decision = None
    reads_subnet_only = True


def entry(text: str = "www.test", decision: Decision = DECISION, **fields: Any) -> tuple[bytes, HotEntry]:
    """A table key and a HotEntry with one A record of TTL 100."""
    qname = name.from_text(text)
    question = qname + b"\0\1\0\1"
    query = Query(1, b"", question, qname, 1, 1, Client(b"\x7f\0\0\1"))
    body, spans = build_body(qname, [RRset(ANSWER, qname, 1, 1, 100, (b"\xc0\0\2\1",))])
    return question, HotEntry(query, Answer(body=body, spans=spans, ttl=100, **fields), decision)


def test_what_is_kept_is_found() -> None:
    """A HotEntry is found under its own flags and under no others."""
    table = HotTable(1 << 20)
    key, kept = entry()
    table.store(2, key, kept, OnePlan())  # type: ignore[arg-type]
    assert table.get(2, key) is kept
    assert table.get(0, key) is None


@given(st.lists(st.integers(0, 400), max_size=600))
def test_bytes_stay_within_the_limit(numbers: list[int]) -> None:
    """Whatever is kept and asked, the estimate stays at or under the limit."""
    table = HotTable(40 * (SLOT_OVERHEAD_BYTES + 60))
    for number in numbers:
        key, kept = entry(f"n{number}.test")
        if table.get(0, key) is None:
            table.store(0, key, kept, OnePlan())  # type: ignore[arg-type]
        assert table.size <= table.limit
        held = sum(map(len, table.young)) + sum(map(len, table._old))
        assert table.size >= held * SLOT_OVERHEAD_BYTES


def test_a_name_that_is_asked_for_outlives_a_flood() -> None:
    """A slot that is hit now and then survives any number of others that are not."""
    table = HotTable(60 * (SLOT_OVERHEAD_BYTES + 60))
    key, kept = entry("wanted.test")
    table.store(0, key, kept, OnePlan())  # type: ignore[arg-type]
    for number in range(2000):
        other, noise = entry(f"noise{number}.test")
        table.store(0, other, noise, OnePlan())  # type: ignore[arg-type]
        if number % 10 == 0:
            assert table.get(0, key) is kept


def test_decisions_of_one_name_stand_side_by_side() -> None:
    """Two cohorts of a name never take each other's place; a new Plan starts a new Fork."""
    table, plan = HotTable(1 << 20), ForkPlan()
    other = Decision(Cohort("default", "www.test", "canary"))
    key, stable = entry()
    _, canary = entry(decision=other)
    table.store(0, key, stable, plan)  # type: ignore[arg-type]
    table.store(0, key, canary, plan)  # type: ignore[arg-type]
    slot = table.get(0, key)
    assert isinstance(slot, HotVariants)
    assert slot.entries == {DECISION: stable, other: canary}
    table.store(0, key, stable, ForkPlan())  # type: ignore[arg-type]
    slot = table.get(0, key)
    assert isinstance(slot, HotVariants)
    assert list(slot.entries) == [DECISION]


def test_header_bits_follow_the_asker() -> None:
    """RD is copied, RA is the asker's right, AD is shown only where secure and asked for, OPT is counted."""
    _, secure = entry(security=Security.SECURE)
    _, plain = entry()
    assert secure.headers[AD_BIT][1] & 0x20
    assert not secure.headers[0][1] & 0x20
    assert not plain.headers[AD_BIT][1] & 0x20
    assert plain.headers[RD_BIT][0] & 1
    assert not plain.headers[0][0] & 1
    assert plain.headers[RA_BIT][1] & 0x80
    assert plain.headers[OPT_BIT][-1] == 1
    assert plain.headers[0][-1] == 0


def test_cached_answers_age_and_leave_early() -> None:
    """TTLs fall with time, and the last tenth of a lifetime is left to the cache."""
    _, kept = entry(stored_at=1000.0, forwarded=True)
    kept.age_ttls(1030.5)
    assert kept.body[6:10] == (70).to_bytes(4, "big")
    assert kept.expires == 1090.0
    _, ours = entry()
    assert ours.expires == float("inf")
    assert not ours.needs_check


def fork_of(table: HotTable, text: str) -> tuple[HotVariants, HotEntry]:
    """A HotVariants in *table*, and its one HotEntry."""
    key, kept = entry(text)
    table.store(0, key, kept, ForkPlan())  # type: ignore[arg-type]
    slot = table.get(0, key)
    assert isinstance(slot, HotVariants)
    return slot, kept


def test_subnets_seen_are_bounded_over_all_forks() -> None:
    """However many subnets ask for however many names, so many are remembered as the limit allows."""
    table = HotTable(100 * SUBNET_OVERHEAD_BYTES)
    forks = [fork_of(table, f"n{number}.test") for number in range(3)]
    for number in range(10_000):
        fork, kept = forks[number % 3]
        table.store_subnet(fork, number.to_bytes(4, "big"), kept)
        assert sum(len(fork.entry_by_subnet) for fork, _ in forks) <= 100


def test_a_new_entry_or_a_new_window_forgets_who_was_seen() -> None:
    """What was remembered of clients never outlives the answers it leads to."""
    table, plan = HotTable(1 << 20), ForkPlan()
    key, kept = entry()
    table.store(0, key, kept, plan)  # type: ignore[arg-type]
    fork = table.get(0, key)
    assert isinstance(fork, HotVariants)
    table.store_subnet(fork, b"subnet", kept)
    table.store(0, key, entry()[1], plan)  # type: ignore[arg-type]
    assert not fork.entry_by_subnet
    table.store_subnet(fork, b"subnet", kept)
    table.clear_subnets()
    assert not fork.entry_by_subnet


WIRE = b"\x12\x34\1\0\0\1\0\0\0\0\0\0"
BARE = parse_tail_shape(b"", 1232)


def recognise(table: HotTable, question: bytes, recursion: int = 0) -> HotQuestion | None:
    """What a query for *question* without OPT leads to."""
    assert BARE is not None
    return table.match_question(WIRE + question, 12 + len(question), BARE, recursion)


def test_a_question_asked_again_with_the_same_octets_is_known() -> None:
    """What it led to is found by its octets, with the whole reply but for id and OPT."""
    table = HotTable(1 << 20)
    key, kept = entry()
    assert recognise(table, key) is None
    table.store(0, key, kept, OnePlan())  # type: ignore[arg-type]
    asked = recognise(table, key, RA_BIT)
    assert asked is not None
    assert asked.entry is kept
    assert asked.reply_prefix == kept.headers[RD_BIT | RA_BIT] + key + kept.body
    assert table.questions[RA_BIT] == {WIRE[2:] + key: asked}
    assert not table.questions[0]
    list(table.clear())
    assert recognise(table, key) is None
    assert not any(table.questions)


def test_capitals_are_recognised_and_not_remembered() -> None:
    """Of a name there is one way to write it that takes room."""
    table = HotTable(1 << 20)
    key, kept = entry()
    table.store(0, key, kept, OnePlan())  # type: ignore[arg-type]
    shouted = key.upper()[:-4] + key[-4:]
    asked = recognise(table, shouted)
    assert asked is not None
    assert asked.reply_prefix[10:].startswith(shouted)
    assert not any(table.questions)


@given(st.lists(st.integers(0, 200), max_size=300))
def test_what_was_asked_takes_room_of_the_table(numbers: list[int]) -> None:
    """Remembering how it was asked never takes the table past its limit, nor hides a slot."""
    table = HotTable(60 * (SLOT_OVERHEAD_BYTES + 60))
    for number in numbers:
        key, kept = entry(f"n{number}.test")
        if table.get(0, key) is None:
            table.store(0, key, kept, OnePlan())  # type: ignore[arg-type]
        assert recognise(table, key) is not None
        assert table.size <= table.limit
        assert sum(map(len, table.questions)) * QUESTION_OVERHEAD_BYTES <= table.limit // 2


def test_a_cached_answer_that_comes_anew_is_what_the_question_leads_to() -> None:
    """A refreshed answer takes the place of the old one for those who ask as before."""
    table = HotTable(1 << 20)
    key, old = entry(stored_at=1000.0, forwarded=True)
    _, new = entry(stored_at=1090.0, forwarded=True)
    table.store(0, key, old, OnePlan())  # type: ignore[arg-type]
    asked = recognise(table, key)
    table.store(0, key, new, OnePlan())  # type: ignore[arg-type]
    assert asked is not None
    assert asked.entry is not None
    assert not asked.reply_prefix
    assert asked.entry.expires == new.expires
    assert table.get(0, key) is asked.entry


def test_nothing_leads_to_a_slot_that_was_replaced() -> None:
    """An answer that becomes a fork, or a fork with another Plan, is found by those who asked before."""
    table = HotTable(1 << 20)
    key, kept = entry()
    table.store(0, key, kept, OnePlan())  # type: ignore[arg-type]
    recognise(table, key)
    for _ in range(2):
        table.store(0, key, kept, ForkPlan())  # type: ignore[arg-type]
        assert not any(table.questions)
        asked = recognise(table, key)
        assert asked is not None
        assert asked.variants is table.get(0, key)
        assert asked.entry is None


def test_other_questions_stay_when_a_slot_is_replaced() -> None:
    """Of what was asked, only what led to that slot is forgotten, with whatever header, and the estimate is right."""
    table = HotTable(1 << 20)
    other, theirs = entry("other.test")
    table.store(0, other, theirs, OnePlan())  # type: ignore[arg-type]
    asked = recognise(table, other)
    size = table._questions_size
    key, kept = entry()
    table.store(0, key, kept, OnePlan())  # type: ignore[arg-type]
    for recursion in (0, RA_BIT):
        assert recognise(table, key, recursion) is not None
    table.store(0, key, kept, ForkPlan())  # type: ignore[arg-type]
    assert [found for known in table.questions for found in known.values()] == [asked]
    assert table._questions_size == size


def test_the_estimate_of_a_table_follows_what_is_replaced() -> None:
    """An entry that becomes a fork and an entry again leaves nothing behind in the books when it goes."""
    table, view = HotTable(1 << 20), object()
    key, kept = entry()
    for plan in (OnePlan(), ForkPlan(), ForkPlan(), OnePlan()):
        table.store(0, key, kept, plan)  # type: ignore[arg-type]
    table.tie_to_view(0, key, view)
    table.forget_view(view)
    assert table.size == 0


def test_what_was_made_of_a_view_goes_with_it() -> None:
    """Slots, and what was asked for with the same octets; other questions stay as they are, and the estimate right."""
    for count in (1, 200):  # few are looked for one by one, many go with all that was asked
        table, view = HotTable(1 << 22), object()
        other, kept = entry("other.test")
        table.store(0, other, kept, OnePlan())  # type: ignore[arg-type]
        assert recognise(table, other) is not None
        before = table.size if count == 1 else table.size - table._questions_size
        for number in range(count):
            key, made = entry(f"n{number}.test")
            table.store(0, key, made, OnePlan())  # type: ignore[arg-type]
            table.tie_to_view(0, key, view)
            assert recognise(table, key) is not None
        table.forget_view(view)
        assert table.size == before
        for number in range(count):
            assert recognise(table, entry(f"n{number}.test")[0]) is None
        assert table.get(0, other) is kept
        table.forget_view(view)
