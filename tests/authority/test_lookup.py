"""What the scenarios cannot say: origins, bounds, bytes, and chains that others complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from graydns.authority.lookup import MAX_CNAME_CHAIN, look_up
from graydns.authority.zone_data import Zone, ZoneTable
from graydns.model.answer import ANSWER
from graydns.model.decision import BlockAction, Cohort, Decision, DecisionKind
from graydns.model.dns_parameters import CNAME, IN, A
from graydns.model.name import from_text
from graydns.wire.answer_body import RRset
from tests.authority.lookups import PLAIN, everything_plain, make_query, make_zone

ZONE = """
www A 192.0.2.1
alias CNAME www
out CNAME www.elsewhere.invalid.
api TXT "hello"
mixed MX 10 mail
mail A 192.0.2.2
"""


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return make_zone(tmp_path, "zone.test", ZONE, ["api.zone.test"])


@pytest.fixture
def zones(zone: Zone) -> ZoneTable:
    return ZoneTable({zone.origin: zone})


def version(*, private: bool = False) -> Decision:
    return Decision(Cohort("t"), DecisionKind.VERSION, {A: (bytes(4),)}, ttl=5, private=private, origin=object())


def test_zone_data_have_the_zone_as_origin(zones: ZoneTable, zone: Zone) -> None:
    """Positive, negative and chained answers of one zone are dropped when it is replaced."""
    for name, rdtype in (("www", "A"), ("www", "MX"), ("nope", "A"), ("alias", "A")):
        found = look_up(zones, make_query(f"{name}.zone.test", rdtype), everything_plain)
        assert found.origin is zone
        assert found.shareable


def test_versions_are_the_origin_of_what_they_say(zones: ZoneTable, zone: Zone) -> None:
    """Also of the types that they lack; other types are the zone's."""
    decision = version()
    for rdtype, origin in (("A", decision.origin), ("AAAA", decision.origin), ("TXT", zone), ("MX", zone)):
        found = look_up(zones, make_query("api.zone.test", rdtype, decision=decision), everything_plain)
        assert found.origin is origin, rdtype


def test_rules_are_the_origin_of_blocks(zones: ZoneTable, zone: Zone) -> None:
    """A block goes with its rule; one without an origin of its own goes with the zone."""
    rule = object()
    decision = Decision(Cohort("t"), DecisionKind.BLOCK, block=BlockAction.NODATA, origin=rule)
    query = make_query("www.zone.test", "A", decision=decision)
    assert look_up(zones, query, everything_plain).origin is rule
    query = query._replace(decision=evolve(decision, origin=None))
    assert look_up(zones, query, everything_plain).origin is zone


def test_the_verdict_on_the_question_is_not_asked_for_again(zones: ZoneTable) -> None:
    """The Router runs once for a question, and once for each further name."""
    asked: list[bytes] = []

    def decide(name: bytes, _rdtype: int) -> Decision:
        asked.append(name)
        return PLAIN

    look_up(zones, make_query("alias.zone.test", "A", decision=PLAIN), decide)
    assert asked == [from_text("www.zone.test")]
    asked.clear()
    look_up(zones, make_query("www.zone.test", "A"), decide)
    assert asked == [from_text("www.zone.test")]


def test_the_owner_is_a_pointer_to_the_question(zones: ZoneTable) -> None:
    """So the asker gets its own letter case back."""
    answer = look_up(zones, make_query("www.zone.test", "A"), everything_plain).to_answer()
    assert answer.body == bytes.fromhex("c00c 0001 0001 0000012c 0004 c0000201")
    assert answer.ttl == 300


def test_ttl_is_the_smallest(zones: ZoneTable) -> None:
    """An answer may be reused for as long as its shortest record, not at all if that is 0 or nothing is in it."""
    assert look_up(zones, make_query("nope.zone.test", "A"), everything_plain).to_answer().ttl == 60
    query = make_query("api.zone.test", "A", decision=version(private=True))
    assert look_up(zones, query, everything_plain).to_answer().ttl == 0
    assert look_up(zones, make_query("not.ours", "A"), everything_plain).to_answer().ttl == 0


def test_a_long_chain_is_cut(tmp_path: Path) -> None:
    """More names than any sane chain has are not followed."""
    text = "".join(f"c{number} CNAME c{number + 1}\n" for number in range(2 * MAX_CNAME_CHAIN))
    zone = make_zone(tmp_path, "zone.test", text)
    found = look_up(ZoneTable({zone.origin: zone}), make_query("c0.zone.test", "A"), everything_plain)
    assert [rrset.rdtype for rrset in found.rrsets] == [CNAME] * MAX_CNAME_CHAIN
    assert found.rcode == 0
    assert found.cname_target is None


def test_others_complete_a_chain(zones: ZoneTable) -> None:
    """What an upstream says follows the chain, under its rcode, and is only for those who may forward."""
    found = look_up(zones, make_query("out.zone.test", "A"), everything_plain)
    target = found.cname_target
    assert target == from_text("www.elsewhere.invalid")
    whole = found.complete(0, [RRset(ANSWER, target, A, IN, 60, (bytes(4),))])
    answer = whole.to_answer()
    assert [span.record_count for span in answer.spans] == [1, 1]
    assert answer.ttl == 60
    assert answer.forwarded
    assert not answer.shareable
    assert whole.cname_target is None
    assert found.complete(3, []).to_answer().rcode == 3


def test_a_cap_holds_for_what_others_add(zones: ZoneTable) -> None:
    """The cap of the question's verdict covers the whole chain."""
    query = make_query("out.zone.test", "A", decision=evolve(PLAIN, ttl_cap=7))
    found = look_up(zones, query, everything_plain)
    answer = found.complete(0, [RRset(ANSWER, found.cname_target or b"", A, IN, 60, (bytes(4),))]).to_answer()
    assert answer.ttl == 7


def test_optional_addresses_can_be_left_out(zones: ZoneTable) -> None:
    """Additional addresses are marked so that truncation drops them without TC."""
    answer = look_up(zones, make_query("mixed.zone.test", "MX"), everything_plain).to_answer()
    assert [span.required for span in answer.spans] == [True, False]


def test_why_tells_the_steps(zones: ZoneTable) -> None:
    """People can read how an answer came about."""
    found = look_up(zones, make_query("alias.zone.test", "AAAA"), everything_plain)
    assert found.to_answer().why == "zone data: CNAME → zone data: no records of this type"
