"""Operators and validation: a real signed hierarchy behind a real server, and graydnsctl."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import pytest
from attrs import frozen

from tests.e2e.serving import serving
from tools.ports import free_ports
from tools.signed.hierarchy import SPECS, build
from tools.signed.judge import date
from tools.signed.served import serving as serving_signed
from tools.signed.spec import Spec

#: Noon of 2026-11-22, in Unix seconds.
NOW = 1_795_348_800

ZONES = (".", "test.", "plain.", "p256.test.", "salted.test.", "altered.test.", "expired.test.", "keytrap.test.")

MAIN = """\
listen: ["udp://127.0.0.1:{port}"]
admin: unix:admin.sock
http: tcp://127.0.0.1:{http}
data: var/
zones: null
upstreams: {{signed: {{servers: ["udp://127.0.0.1:{upstream}"], deadline: 2s}}}}
forward: {{".": signed}}
dnssec:
  validate: true
  validation_time: {date}
  trust_anchors: [{anchors}]
"""


@frozen
class Validating:
    """A served graydns that validates."""

    folder: Path
    port: int
    http: int

    def ctl(self, *words: str) -> Any:
        """What graydnsctl gives."""
        program = Path(sys.executable).parent / "graydnsctl"
        command = [str(program), "--connect", f"unix:{self.folder / 'admin.sock'}", "--json", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)["result"]

    def status(self, name: str) -> tuple[str, bool]:
        """The rcode for *name*, and whether AD is set."""
        query = dns.message.make_query(name, "A", want_dnssec=True)
        reply = dns.query.udp(query, "127.0.0.1", timeout=10, port=self.port, ignore_unexpected=True)
        return reply.rcode().name, bool(reply.flags & dns.flags.AD)

    def metrics(self) -> dict[str, float]:
        """Those of validation."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line.startswith(("graydns_dnssec", "graydns_validated")))
        return {name: float(number) for name, _, number in pairs}


@pytest.fixture(scope="module")
def validating(require_peer: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validating]:
    """It, with some zones of the hierarchy behind it."""
    require_peer("named")
    folder = tmp_path_factory.mktemp("validating")
    known: dict[str, Spec] = {each.name: each for each in SPECS}
    zones = build([known[name] for name in ZONES], NOW)
    anchors = ", ".join(f'"{line}"' for zone in zones for line in zone.anchors())
    (folder / "signed").mkdir()
    with serving_signed(zones, folder / "signed") as upstream:
        port, http = free_ports(2)
        values = {"port": port, "http": http, "upstream": upstream.port, "date": date(NOW), "anchors": anchors}
        (folder / "graydns.yaml").write_text(MAIN.format(**values))
        with serving(folder / "graydns.yaml", port):
            yield Validating(folder, port, http)


def shape(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The steps of an explanation."""
    return [(step["name"], step["type"], step["security"]) for step in told["steps"]]


CHAIN = [
    (".", "DS", "secure"),
    (".", "DNSKEY", "secure"),
    ("test", "DS", "secure"),
    ("test", "DNSKEY", "secure"),
]


def test_the_whole_chain_is_shown_however_often_it_is_asked_for(validating: Validating) -> None:
    """From the anchor to the answer, with keys and times, though the server remembers all of these zones."""
    assert validating.status("www.p256.test") == ("NOERROR", True)
    told = validating.ctl("dnssec", "explain", "www.p256.test", "--cd")
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
def test_the_step_that_failed_is_told(validating: Validating, name: str, security: str, ede: int, text: str) -> None:
    """With its reason, which is that of the verdict; what only is not signed has not failed."""
    told = validating.ctl("dnssec", "explain", name)
    assert shape(told)[:2] == CHAIN[:2]
    assert (told["security"], told["ede"]) == (security, ede)
    assert text in told["reason"]
    if security == "bogus":
        step = told["steps"][told["failed"] - 1]
        assert (step["security"], step["text"]) == ("bogus", told["reason"])
    else:
        assert told["failed"] is None


def test_a_negative_trust_anchor_counts_for_the_next_query(validating: Validating) -> None:
    """Both ways: set, a broken name and a chain that leads there are answered without AD; removed, they fail again."""
    chain = "outbogus.p256.test"  # an alias of www.altered.test
    assert [validating.status(name) for name in ("www.altered.test", chain)] == [("SERVFAIL", False)] * 2
    assert validating.ctl("nta", "add", "altered.test", "--for", "1h", "--reason", "a test")["before"] is None
    for _ in range(2):  # the second time perhaps from the hot table
        assert [validating.status(name) for name in ("www.altered.test", chain)] == [("NOERROR", False)] * 2
    assert validating.status("www.p256.test") == ("NOERROR", True)
    (row,) = validating.ctl("nta", "list")
    assert (row["name"], row["source"], row["reason"]) == ("altered.test", "operator", "a test")
    told = validating.ctl("dnssec", "explain", "www.altered.test")
    assert (told["security"], told["steps"][-1]["text"]) == ("insecure", "negative trust anchor at altered.test")
    kept = {row["security"] for row in validating.ctl("cache", "lookup", "www.altered.test")}
    assert kept == {"insecure", None}  # None: what the upstream said
    validating.ctl("nta", "remove", "altered.test")
    assert [validating.status(name) for name in ("www.altered.test", chain)] == [("SERVFAIL", False)] * 2
    lines = validating.ctl("audit", "tail", "--last", "4")
    assert [line["action"] for line in lines] == [
        "nta.add:asked",
        "nta.add:done",
        "nta.remove:asked",
        "nta.remove:done",
    ]


def test_validation_is_counted(validating: Validating) -> None:
    """What clients got, what the validator asked for, and what it remembers."""
    before = validating.metrics()
    for name in ("ns.p256.test", "mail.expired.test", "mail.plain", "www.keytrap.test"):
        validating.status(name)
    after = validating.metrics()
    for security, more in (("secure", 1), ("bogus", 2), ("insecure", 1)):
        key = f'graydns_validated_answers_total{{security="{security}",tenant="default"}}'
        assert after[key] - before.get(key, 0) == more
    assert after['graydns_dnssec_questions_total{type="DS"}'] > 0
    assert after["graydns_dnssec_zones"] >= 5
    assert after["graydns_dnssec_bogus"] >= 2
