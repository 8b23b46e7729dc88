"""Services with more instances than one message has room for."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from graydns.authority.lookup import look_up
from graydns.authority.zone_data import ZoneTable
from graydns.model.catalog import CRITICAL, PASSING, LeadingInstance, ServiceInstance, ServiceView
from graydns.model.decision import Decision
from graydns.model.name import from_text
from graydns.model.transport import TCP
from graydns.sources.consul.consul_source import MAX_ANSWER_INSTANCES, OversizeWarner
from graydns.wire.answer_body import MAX_RECORDS_BYTES
from graydns.wire.render import render_reply
from tests.authority.consul_asking import Known, make_zones
from tests.authority.lookups import PLAIN, make_query, make_zone
from tests.conftest import examples

#: What a message over TCP may have (RFC 1035 section 4.2.2).
LARGEST = 65_535

#: What the OPT record, its options and a TSIG record may need of that.
SPARE = 1_000

NAME = "big.service.consul"


def instance(number: int, six: bool = False, host: str = "", status: str = PASSING) -> ServiceInstance:
    """One at an address of its own."""
    high, low = divmod(number, 256)
    address = host or (f"2001:db8::{number:x}" if six else f"10.9.{high}.{low}")
    return ServiceInstance("n1", "10.0.0.1", "big", f"big{number}", address, 80, status=status)


def view(count: int, six: int = 0) -> ServiceView:
    """So many, of which the last *six* have IPv6 addresses."""
    return ServiceView("big", tuple(instance(number, number >= count - six) for number in range(count)))


def ask(zones: ZoneTable, mnemonic: str, name: str = NAME, first: int = 0) -> dns.message.Message:
    """The reply over TCP, for the client whose instance is number *first*."""
    return dns.message.from_wire(reply(zones, mnemonic, name, first), one_rr_per_rrset=True)


def reply(zones: ZoneTable, mnemonic: str, name: str = NAME, first: int = 0) -> bytes:
    """Its octets."""
    (zone,) = (zone for zone in zones if zone.backend is not None)
    selection = zone.backend.find_selection(from_text(NAME)) if zone.backend is not None else None
    assert selection is not None
    decision = evolve(PLAIN, origin=LeadingInstance(selection, first))

    def decide(_name: bytes, _rdtype: int) -> Decision:
        return decision

    query = make_query(name, mnemonic, transport=TCP)
    answer = look_up(zones, query, decide).to_answer()
    return render_reply(query, answer, now=0.0, limit=LARGEST - SPARE, recursion_available=False)


def data(said: dns.message.Message) -> list[str]:
    """The data of the records in the answer section."""
    return [rrset[0].to_text() for rrset in said.answer]


@pytest.mark.parametrize(("mnemonic", "least"), [("A", 3_800), ("SRV", 1_000), ("ANY", 3_800)])
def test_over_tcp_there_are_as_many_as_fit(mnemonic: str, least: int) -> None:
    """Nothing is truncated, as there is nothing that a client could do then; its own instance is there, and first."""
    zones = make_zones(Known({"big": view(10_000)}))
    for first in (0, 5_000, 9_999):
        said = ask(zones, mnemonic, first=first)
        assert not said.flags & dns.flags.TC
        assert len(said.answer) >= least
        high, low = divmod(first, 256)
        wanted = f"0a09{high:02x}{low:02x}.addr.dc1.consul." if mnemonic == "SRV" else f"10.9.{high}.{low}"
        assert data(said)[0].split()[-1] == wanted


def test_of_both_families_there_are_as_many_as_fit() -> None:
    """Either alone, and both for ANY."""
    zones = make_zones(Known({"big": view(10_000, six=5_000)}))
    for first in (0, 7_000):  # of the one family, and of the other
        assert len(ask(zones, "A", first=first).answer) > 3_800
        assert len(ask(zones, "AAAA", first=first).answer) > 2_000
    assert not any(ask(zones, mnemonic).flags & dns.flags.TC for mnemonic in ("A", "AAAA", "ANY"))


def test_a_chain_has_room_too(tmp_path: Path) -> None:
    """The names that lead there stand before the addresses."""
    names = [f"{'x' * 60}{number}" for number in range(9)]
    lines = [f"{name} CNAME {after}" for name, after in pairwise(names)]
    zone = make_zone(tmp_path, "shop.test", "\n".join([*lines, f"{names[-1]} CNAME {NAME}.\n"]))
    said = ask(make_zones(Known({"big": view(10_000)}), zone), "A", f"{names[0]}.shop.test")
    assert not said.flags & dns.flags.TC
    assert len(said.answer) > 3_800


@examples(0.15)
@given(st.integers(1, 6_000), st.integers(0, 6_000), st.sampled_from(["A", "AAAA", "SRV", "ANY"]))
def test_however_many_there_are(count: int, six: int, mnemonic: str) -> None:
    """The answer fits, and lacks nothing that has room."""
    six = min(six, count)
    wire = reply(make_zones(Known({"big": view(count, six)})), mnemonic)
    assert not int.from_bytes(wire[2:4], "big") & dns.flags.TC
    every = {"A": count - six, "AAAA": six}.get(mnemonic, count)
    assert int.from_bytes(wire[6:8], "big") == every or len(wire) > MAX_RECORDS_BYTES - SPARE


def test_targets_are_only_added_to_what_they_belong_to() -> None:
    """The additional section has no address of an instance that is not told."""
    said = ask(make_zones(Known({"big": view(10_000)})), "SRV")
    told = {text.split()[-1] for text in data(said)}
    assert {rrset.name.to_text() for rrset in said.additional} <= told


def test_an_operator_hears_of_it_once() -> None:
    """Again only after the service has fitted: health changes by the second."""
    heard: list[str] = []

    def hear(event: LogEvent) -> None:
        if event["log_namespace"].endswith("consul.consul_source"):
            heard.append(formatEvent(event))

    crowds = OversizeWarner()
    small = ServiceView("big", tuple(instance(number, status=CRITICAL) for number in range(MAX_ANSWER_INSTANCES + 1)))
    observer: Any = hear
    globalLogPublisher.addObserver(observer)
    try:
        for told in (
            view(MAX_ANSWER_INSTANCES),
            view(MAX_ANSWER_INSTANCES + 1),
            view(MAX_ANSWER_INSTANCES + 2),
            small,
            view(MAX_ANSWER_INSTANCES + 1),
        ):
            crowds.check_size(told)
    finally:
        globalLogPublisher.removeObserver(observer)
    assert [line.split(":")[0] for line in heard] == [f"'big' has {MAX_ANSWER_INSTANCES + 1} instances"] * 2
