"""Operators and validation: a real signed hierarchy behind a real server, and graydnsctl."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.signedsite import Site
from tools.signed.hierarchy import NOW, anchors_of, build, specs_of
from tools.signed.zone import Zone


@pytest.fixture(scope="module")
def zones() -> list[Zone]:
    """Good ones, broken ones, and one that nobody signs."""
    return build(
        specs_of("plain.", "p256.test.", "salted.test.", "altered.test.", "expired.test.", "keytrap.test."), NOW
    )


@pytest.fixture(scope="module")
def site(zones: list[Zone], signed_upstream: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose operators have work."""
    with Site(tmp_path_factory.mktemp("site"), signed_upstream, anchors_of(zones), NOW).served() as served:
        yield served


def status(site: Site, name: str) -> tuple[str, bool]:
    """The rcode for *name*, and whether AD is set."""
    said = site.ask(name)
    return said.rcode, said.ad


def shape(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The steps of an explanation."""
    return [(step["name"], step["type"], step["security"]) for step in told["steps"]]


CHAIN = [
    (".", "DS", "secure"),
    (".", "DNSKEY", "secure"),
    ("test", "DS", "secure"),
    ("test", "DNSKEY", "secure"),
]


def test_the_whole_chain_is_shown_however_often_it_is_asked_for(site: Site) -> None:
    """From the anchor to the answer, with keys and times, though the server remembers all of these zones."""
    assert status(site, "www.p256.test") == ("NOERROR", True)
    told = site.must("dnssec", "explain", "www.p256.test", "--cd")
    assert shape(told) == [
        *CHAIN,
        ("p256.test", "DS", "secure"),
        ("p256.test", "DNSKEY", "secure"),
        ("www.p256.test", "A", "secure"),
    ]
    last = told["steps"][-1]
    assert (last["zone"], last["algorithm"]) == ("p256.test", 13)
    assert (last["inception"], last["expiration"]) == ("2026-11-15T12:00:00.000Z", "2026-12-06T12:00:00.000Z")
    assert f"DNSKEY {last['key_tag']} 13" in told["steps"][-2]["text"]
    assert (told["security"], told["failed"], told["upstream"]) == ("secure", None, "signed")
    assert any("192.0.2.80" in record for record in told["records"])
    assert any(f" {last['key_tag']} p256.test. " in record for record in told["records"])


@pytest.mark.parametrize(
    ("name", "security", "ede", "text"),
    [
        ("www.altered.test", "bogus", 6, "does not verify"),
        ("www.expired.test", "bogus", 7, "expired"),
        ("www.keytrap.test", "bogus", 6, "keys of keytrap.test with tag"),
        ("www.plain", "insecure", None, "DS"),
    ],
)
def test_the_step_that_failed_is_told(site: Site, name: str, security: str, ede: int, text: str) -> None:
    """With its reason, which is that of the verdict; what only is not signed has not failed."""
    told = site.must("dnssec", "explain", name)
    assert shape(told)[:2] == CHAIN[:2]
    assert (told["security"], told["ede"]) == (security, ede)
    assert text in told["reason"]
    if security == "bogus":
        step = told["steps"][told["failed"] - 1]
        assert (step["security"], step["text"]) == ("bogus", told["reason"])
    else:
        assert told["failed"] is None


def test_a_negative_trust_anchor_counts_for_the_next_query(site: Site) -> None:
    """Both ways: set, a broken name and a chain that leads there are answered without AD; removed, they fail again."""
    chain = "outbogus.p256.test"  # an alias of www.altered.test
    assert [status(site, name) for name in ("www.altered.test", chain)] == [("SERVFAIL", False)] * 2
    assert site.must("nta", "add", "altered.test", "--for", "1h", "--reason", "a test")["before"] is None
    for _ in range(2):  # the second time perhaps from the hot table
        assert [status(site, name) for name in ("www.altered.test", chain)] == [("NOERROR", False)] * 2
    assert status(site, "www.p256.test") == ("NOERROR", True)
    (row,) = site.must("nta", "list")
    assert (row["name"], row["source"], row["reason"]) == ("altered.test", "operator", "a test")
    told = site.must("dnssec", "explain", "www.altered.test")
    assert (told["security"], told["steps"][-1]["text"]) == ("insecure", "negative trust anchor at altered.test")
    kept = {row["security"] for row in site.must("cache", "lookup", "www.altered.test")}
    assert kept == {"insecure", None}  # None: what the upstream said
    site.must("nta", "remove", "altered.test")
    assert [status(site, name) for name in ("www.altered.test", chain)] == [("SERVFAIL", False)] * 2
    lines = site.must("audit", "tail", "--last", "4")
    assert [line["action"] for line in lines] == [
        "nta.add:asked",
        "nta.add:done",
        "nta.remove:asked",
        "nta.remove:done",
    ]


def test_validation_is_counted(site: Site) -> None:
    """What clients got, what the validator asked for, and what it remembers."""
    key = 'graydns_validated_answers_total{{security="{}",tenant="default"}}'.format
    more = {"secure": 1, "bogus": 2, "insecure": 1}
    before = {each: site.metric(key(each)) for each in more}
    for name in ("ns.p256.test", "mail.expired.test", "mail.plain", "www.keytrap.test"):
        site.ask(name)
    assert {each: site.metric(key(each)) - before[each] for each in more} == more
    assert site.metric('graydns_dnssec_questions_total{type="DS"}') > 0
    assert site.metric("graydns_dnssec_zones") >= 5
    assert site.metric("graydns_dnssec_bogus") >= 2
