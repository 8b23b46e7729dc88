"""An audit line says which key vouched for an answer, to whom it went, and why it is not secure."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import dns.name
import pytest
from attrs import evolve
from dns.edns import EDECode
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from graydns.audit.line_queue import LineQueue
from graydns.audit.validation_lines import (
    ValidationLine,
    ValidationLineObserver,
    format_timestamp,
    format_validation_fields,
)
from graydns.config.settings import ClientPrefixSettings
from graydns.model.answer import Answer
from graydns.model.client import Client
from graydns.model.decision import Cohort, Decision
from graydns.model.dnssec_values import RrsigInfo, Security, ValidationStatus
from graydns.model.name import from_text
from graydns.model.query import Query
from graydns.observe.trace_recorder import RecordedTrace

NOW = 1_795_435_200.125

SIGNER = RrsigInfo(from_text("example.test."), 12345, 13, 3600, 1_795_521_600)
SECURE = ValidationStatus(Security.SECURE, SIGNER)
BOGUS = ValidationStatus(
    Security.BOGUS, SIGNER, "the signature of www.example.test A has expired", EDECode.SIGNATURE_EXPIRED
)

CLIENT = Client(bytes((192, 0, 2, 77)), tenant="t-demo")
QUERY = Query(7, b"", b"", from_text("www.example.test."), 1, 1, CLIENT)

WHOLE = ClientPrefixSettings()


def told(query: Query, answer: Answer, prefix: ClientPrefixSettings = WHOLE, seconds: float = 0.5) -> dict[str, Any]:
    """The line of *answer*, given *seconds* after *query* came, at the monotonic time 100."""
    clock = Clock()
    clock.advance(100)
    queue: LineQueue[Any] = LineQueue(clock, False)
    assert ValidationLineObserver(queue, clock.seconds, lambda: NOW).answered(query, answer, seconds) is None
    (item,) = queue.take(9)
    assert isinstance(item, ValidationLine)
    line: dict[str, Any] = json.loads(b"{%s}" % format_validation_fields(item, prefix))
    return line


def test_a_secure_answer() -> None:
    """All that an auditor wants to know, and nothing more."""
    line = told(QUERY, Answer(proof=SECURE))
    assert len(line.pop("trace_id")) == 16
    assert line == {
        "timestamp": "2026-11-23T12:00:00.125Z",
        "qname": "www.example.test",
        "qtype": "A",
        "rcode": "NOERROR",
        "validation_status": "secure",
        "signer_key_id": 12345,
        "signer_name": "example.test",
        "algorithm": 13,
        "rrsig_ttl": 3600,
        "rrsig_expiration": "2026-11-24T12:00:00Z",
        "client": "192.0.2.77",
        "tenant": "t-demo",
        "cohort": "",
        "cached": False,
    }


def test_a_bogus_answer() -> None:
    """With the reason and the EDE, and the signature that failed."""
    line = told(QUERY._replace(qtype=65), Answer(rcode=2, proof=BOGUS))
    assert (line["qtype"], line["rcode"], line["validation_status"]) == ("HTTPS", "SERVFAIL", "bogus")
    assert (line["reason"], line["ede"]) == ("the signature of www.example.test A has expired", 7)
    assert line["signer_key_id"] == 12345


def test_an_insecure_answer_without_a_signature() -> None:
    """What there is not is null, but it is there."""
    line = told(QUERY, Answer(rcode=3, proof=ValidationStatus(Security.INSECURE)))
    assert (line["rcode"], line["reason"], line["ede"]) == ("NXDOMAIN", "", None)
    keys = ("signer_key_id", "signer_name", "algorithm", "rrsig_ttl", "rrsig_expiration")
    assert [line[key] for key in keys] == [None] * 5


def test_what_nobody_validated_leaves_nothing() -> None:
    """Answers of our own zones, for instance."""
    queue: LineQueue[Any] = LineQueue(Clock(), False)
    assert ValidationLineObserver(queue, lambda: 0.0, lambda: NOW).answered(QUERY, Answer(), 0.1) is None
    assert len(queue) == 0


@pytest.mark.parametrize(("since", "cached"), [(None, False), (99.4, True), (99.5, False), (99.9, False)])
@pytest.mark.parametrize("stored", [None, 99.9])
def test_cached_is_what_was_there_before(stored: float | None, since: float | None, cached: bool) -> None:
    """An answer that came for this client is not cached; since when its TTLs run does not matter."""
    assert told(QUERY, Answer(proof=evolve(SECURE, since=since), stored_at=stored))["cached"] is cached


def test_the_cohort_and_its_tenant() -> None:
    """They are those of the verdict."""
    query = QUERY._replace(decision=Decision(Cohort("t-shop", "api.shop.test", "canary", "a")))
    line = told(query, Answer(proof=SECURE))
    assert (line["tenant"], line["cohort"]) == ("t-shop", "api.shop.test/canary/a")
    query = QUERY._replace(decision=Decision(Cohort("t-shop", "vip", "rule:vip")))
    assert told(query, Answer(proof=SECURE))["cohort"] == "vip/rule:vip"


@pytest.mark.parametrize(
    ("source", "prefix", "client"),
    [
        (bytes((192, 0, 2, 77)), ClientPrefixSettings(24, 56), "192.0.2.0/24"),
        (bytes.fromhex("20010db8000101ff") + bytes(7) + b"\1", ClientPrefixSettings(24, 56), "2001:db8:1:100::/56"),
        (bytes.fromhex("20010db8000101ff") + bytes(7) + b"\1", WHOLE, "2001:db8:1:1ff::1"),
        (bytes((192, 0, 2, 77)), ClientPrefixSettings(0, 0), "0.0.0.0/0"),
        (bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 77)), ClientPrefixSettings(24, 128), "192.0.2.0/24"),
        (b"", WHOLE, None),
    ],
)
def test_clients_can_be_cut(source: bytes, prefix: ClientPrefixSettings, client: str | None) -> None:
    """To as many bits as is configured for their family."""
    query = QUERY._replace(client=CLIENT._replace(source=source))
    assert told(query, Answer(proof=SECURE), prefix)["client"] == client


def test_a_query_that_is_followed_has_the_id_of_its_trace() -> None:
    """Others have ids of their own."""
    trace = RecordedTrace("0123456789abcdef", NOW, 99.0, lambda: 100.0, deque())
    assert told(QUERY._replace(trace=trace), Answer(proof=SECURE))["trace_id"] == "0123456789abcdef"
    ids = {told(QUERY, Answer(proof=SECURE))["trace_id"] for _ in range(20)}
    assert len(ids) == 20


def test_long_reasons_are_cut() -> None:
    """So that a line stays a line."""
    line = told(QUERY, Answer(proof=evolve(BOGUS, reason="x" * 9999)))
    assert line["reason"] == "x" * 500


#: Any text, lone surrogates included.
ANY = st.text(
    st.characters(codec=None, categories=("L", "M", "N", "P", "S", "Z", "Cc", "Cf", "Cs", "Co")), max_size=700
)


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3), st.integers(0, 65535), st.integers(0, 4095), ANY, ANY)
def test_nothing_can_break_out_of_its_line(labels: list[bytes], qtype: int, rcode: int, reason: str, text: str) -> None:
    """Whatever names, reasons and what is configured hold: one line of printable ASCII, of bounded length, from which
    they can be read again."""
    qname = b"".join(bytes((len(label),)) + label.lower() for label in labels) + b"\0"
    proof = ValidationStatus(Security.BOGUS, RrsigInfo(qname, 1, 8, 60, 2**32 - 1), reason)
    query = QUERY._replace(qname=qname, qtype=qtype, decision=Decision(Cohort(text[:50], text[:50], "x")))
    clock = Clock()
    queue: LineQueue[Any] = LineQueue(clock, False)
    ValidationLineObserver(queue, clock.seconds, lambda: NOW).answered(query, Answer(rcode=rcode, proof=proof), 0.0)
    (item,) = queue.take(1)
    assert isinstance(item, ValidationLine)
    written = format_validation_fields(item, WHOLE).decode("ascii")
    assert written.isprintable()
    assert len(written) < 12_000
    line = json.loads(f"{{{written}}}")
    assert (line["reason"], line["tenant"]) == (reason[:500], text[:50])
    assert dns.name.from_text(line["qname"]).to_wire() == qname
    assert line["rrsig_expiration"] == "2106-02-07T06:28:15Z"


def test_moments() -> None:
    """Milliseconds are not rounded up into the next second."""
    assert format_timestamp(NOW) == "2026-11-23T12:00:00.125Z"
    assert format_timestamp(1_795_435_199.9999) == "2026-11-23T11:59:59.999Z"
