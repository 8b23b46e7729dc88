"""Our answers for Consul's domain beside those of a real agent: the same but where a reason is given."""

from __future__ import annotations

from tests.authority.consul_asking import make_zones, recorded_catalog, recording, say
from tests.authority.consul_differences import DIFFERENCES, differing
from tests.authority.consul_scene import questions


def test_same_answers() -> None:
    """Every question gets the agent's answer, but for the reasons of docs/consul.md; each of them is one."""
    zones, there = make_zones(recorded_catalog()), recording()["answers"]
    here = {question: say(zones, *question.split()) for question in there}
    found = differing(there, here)
    assert not [question for question, reasons in found.items() if not reasons]
    assert {reason for reasons in found.values() for reason in reasons} == set(DIFFERENCES)


def test_the_recording_is_of_these_questions() -> None:
    """What the recorded agent was asked is what a live one would be asked."""
    assert set(recording()["answers"]) == {f"{name} {mnemonic}" for name, mnemonic in questions()}


def test_every_negative_answer_has_the_soa() -> None:
    """Without it nobody could keep the answer (RFC 2308 section 3); Consul leaves it out for nodes."""
    zones = make_zones(recorded_catalog())
    for question in recording()["answers"]:
        said = say(zones, *question.split())
        if not said.get("answer") and said["rcode"] in ("NOERROR", "NXDOMAIN"):
            assert said["authority"] == ["consul. 3 IN SOA ns.consul. hostmaster.consul. 1 3600 600 86400 3"], question
