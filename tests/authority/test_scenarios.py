"""Every file of tests/scenarios: small zones, questions, and what must come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest
import yaml

from graydns.authority.local_answer import LocalAnswer
from graydns.authority.lookup import look_up
from graydns.authority.zone_data import ZoneTable
from graydns.model.answer import ADDITIONAL
from graydns.model.decision import BlockAction, Cohort, Decision, DecisionKind
from graydns.model.name import from_text, to_text
from graydns.model.transport import parse_transport
from graydns.wire.answer_body import make_dns_message
from tests.authority.lookups import PLAIN, STANDARD, make_query, make_zone, rdata_wire, rdtype_of

SCENARIOS = sorted((Path(__file__).parent.parent / "scenarios").glob("*.yaml"))

KEYS = {"rule", "zones", "services", "decisions", "asks"}
ASK_KEYS = {"ask", "over", "subnet", "rcode", "aa", "answer", "authority", "additional", "soa"} | {
    "required",
    "ede",
    "chase",
    "scope",
    "shareable",
}


def make_decision(name: str, given: dict[str, Any]) -> Decision:
    kind = DecisionKind(given.pop("kind", "plain"))
    records = {
        rdtype_of(mnemonic): tuple(rdata_wire(mnemonic, text) for text in texts)
        for mnemonic, texts in given.pop("records", {}).items()
    }
    block = BlockAction(given.pop("block")) if "block" in given else None
    return Decision(Cohort("default", name), kind, records, block=block, origin=object(), **given)


def expected_records(texts: list[str]) -> set[str]:
    rrsets = []
    for text in texts:
        name, ttl, rdclass, rdtype, rdata = text.split(None, 4)
        rrsets.append(dns.rrset.from_text(name, int(ttl), rdclass, rdtype, rdata))
    return shown(rrsets)


def shown(section: list[dns.rrset.RRset]) -> set[str]:
    return {line for rrset in section for line in rrset.to_text().split("\n")}


def standard_soa(text: str) -> list[str]:
    origin, ttl = text.split()
    rdata = STANDARD.split("\n")[0].removeprefix("@ SOA ")
    return [f"{origin} {ttl} IN SOA {rdata}"]


def check(ask: dict[str, Any], question: bytes, found: LocalAnswer) -> None:
    answer = found.to_answer()
    message = make_dns_message(question, answer)
    authority = standard_soa(ask["soa"]) if "soa" in ask else ask.get("authority", [])
    assert dns.rcode.to_text(dns.rcode.Rcode(answer.rcode)) == ask.get("rcode", "NOERROR")
    assert shown(message.answer) == expected_records(ask.get("answer", []))
    assert shown(message.authority) == expected_records(authority)
    assert shown(message.additional) == expected_records(ask.get("additional", []))
    assert answer.authoritative is ask.get("aa", True)
    required = [span for span in answer.spans if span.section == ADDITIONAL and span.required]
    assert len(required) == ask.get("required", 0)
    assert [ede.code for ede in answer.edes] == ([ask["ede"]] if "ede" in ask else [])
    assert (None if found.cname_target is None else to_text(found.cname_target)) == ask.get("chase")
    if "scope" in ask:
        assert answer.ecs_scope == ask["scope"]
    assert answer.shareable is ask.get("shareable", True)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path, tmp_path: Path) -> None:
    """What the file says, holds."""
    scenario = yaml.safe_load(path.read_text())
    assert scenario.keys() <= KEYS
    zones = [
        make_zone(tmp_path, origin, text, scenario.get("services", ())) for origin, text in scenario["zones"].items()
    ]
    by_origin = ZoneTable({zone.origin: zone for zone in zones})
    decisions = {from_text(name): make_decision(name, given) for name, given in scenario.get("decisions", {}).items()}
    for ask in scenario["asks"]:
        assert ask.keys() <= ASK_KEYS
        name, mnemonic = ask["ask"].split()
        query = make_query(name, mnemonic, transport=parse_transport(ask.get("over", "udp")), subnet=ask.get("subnet"))
        found = look_up(by_origin, query, lambda name, _rdtype: decisions.get(name, PLAIN))
        check(ask, query.question, found)


def test_there_are_scenarios() -> None:
    """The folder is found and has the rules we care for."""
    assert len(SCENARIOS) >= 30
