"""Validation while things change: trust, time, upstreams, tenants, and what an auditor reads of it afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dns.dnssec
import pytest

from tests.e2e.signedsite import Said, Site, until
from tools.signed.hierarchy import NOW, anchors_of, build, specs_of
from tools.signed.served import serving as serving_signed
from tools.signed.spec import Spec, Window
from tools.signed.zone import Zone

#: Seconds for which signatures hold that expire during a test.
BRIEFLY = 15

QUESTIONS = 'graydns_dnssec_questions_total{type="DNSKEY"}'


@pytest.fixture(scope="module")
def zones() -> list[Zone]:
    """A good zone and a broken one."""
    return build(specs_of("p256.test.", "altered.test."), NOW)


def test_trust_anchors_change_with_a_reload(zones: list[Zone], signed_upstream: int, tmp_path: Path) -> None:
    """What was found secure, and is in every cache, is judged anew, each way."""
    right = anchors_of(zones)
    wrong = [f"{line[:-2]}{'00' if line[-2:] != '00' else '11'}" for line in right]
    elsewhere = [right[0].replace(". IN", "elsewhere. IN", 1)]
    with Site(tmp_path / "site", signed_upstream, right, NOW).served() as site:
        for _ in range(2):
            for anchors, expected in ((right, ("NOERROR", True)), (wrong, ("SERVFAIL", False))):
                site.configure(anchors)
                assert site.ctl("reload")[0] == 0
                for name in ("www.p256.test", "www.p256.test", "mail.p256.test"):
                    said = site.ask(name)
                    assert (said.rcode, said.ad) == expected
        assert said.edes[0][0] == 9
        assert "no DNSKEY" in said.edes[0][1] or "DS" in said.edes[0][1]
        site.configure(elsewhere)
        assert site.ctl("reload")[0] == 0
        said = site.ask("www.p256.test")
        assert (said.rcode, said.ad) == ("NOERROR", False)


def test_isolated_tenants_share_nothing(zones: list[Zone], signed_upstream: int, tmp_path: Path) -> None:
    """Neither answers nor keys: each asks for its own; those of one tenant are asked for once."""
    main = """\
        tenants:
          one: {clients: [127.0.0.2/32]}
          two: {clients: [127.0.0.3/32, 127.0.0.4/32]}
        """
    isolated = "tenant_id: {}\nisolation_level: storage\n"
    site = Site(tmp_path / "site", signed_upstream, anchors_of(zones), NOW, main)
    with site.served(one_zone=(isolated.format("one"), ""), two_zone=(isolated.format("two"), "")):
        for source, asked in (("127.0.0.1", 3), ("127.0.0.2", 6), ("127.0.0.2", 6), ("127.0.0.3", 9), ("127.0.0.4", 9)):
            said = site.ask("www.p256.test", source=source)
            assert (said.rcode, said.ad) == ("NOERROR", True)
            assert site.metric(QUESTIONS) == asked


def test_the_audit_log_names_the_key(zones: list[Zone], signed_upstream: int, tmp_path: Path) -> None:
    """Of a secure answer and of a bogus one; and whoever changes that is found out."""
    site = Site(tmp_path / "site", signed_upstream, anchors_of(zones), NOW, "audit: {file: log/audit.jsonl}\n")
    log = tmp_path / "site/log/audit.jsonl"
    with site.served():
        assert site.ask("www.p256.test").ad
        assert site.ask("nowhere.p256.test").rcode == "NXDOMAIN"
        assert site.ask("www.altered.test").rcode == "SERVFAIL"
        until(lambda: log.exists() and any(line["qname"] == "www.altered.test" for line in lines(log)))
        secure, absent, bogus = lines(log)[-3:]
        status, found = site.ctl("audit", "verify")
        assert (status, found["ok"], found["lines"]) == (0, True, bogus["number"])
    tag = signing_key(zones, "p256.test.")
    for line, rcode in ((secure, "NOERROR"), (absent, "NXDOMAIN")):
        assert (line["validation_status"], line["rcode"]) == ("secure", rcode)
        assert (line["signer_key_id"], line["signer_name"], line["algorithm"]) == (tag, "p256.test", 13)
        assert line["rrsig_expiration"] == "2026-12-06T12:00:00Z"
    tag = signing_key(zones, "altered.test.")
    assert (bogus["validation_status"], bogus["signer_key_id"], bogus["ede"]) == ("bogus", tag, 6)
    assert "does not verify" in bogus["reason"]

    log.write_text(log.read_text().replace(f'"signer_key_id":{tag}', '"signer_key_id":1'))
    offline = ("audit", "verify", "--file", str(log), "--key", str(tmp_path / "site/var/audit.key"))
    status, found = site.ctl(*offline)
    assert (status, found["ok"], found["first_bad"]) == (1, False, bogus["number"])


RULED = """\
audit: {file: log/audit.jsonl}
tenants:
  one:
    clients: [127.0.0.2/32]
    rules: [{name: short, when: {name: www.brief.test}, then: {upstream: signed, ttl: 7s}}]
"""

INDETERMINATE = 'graydns_validated_answers_total{security="indeterminate",tenant="default"}'


def test_the_audit_log_tells_what_came_from_memory(require_peer: Callable[[str], str], tmp_path: Path) -> None:
    """Whatever its TTL is then: a stale answer, one that a rule cut, a remembered failure. What could not be judged for
    want of an answer has its line, too."""
    require_peer("named")
    (tmp_path / "signed").mkdir()
    brief = Spec("brief.test.", more="short 1 A 192.0.2.7\n", is_brief=True)
    zones = build([*specs_of("altered.test."), brief], int(time.time()))
    log = tmp_path / "site/log/audit.jsonl"
    with ExitStack() as held, ExitStack() as running:
        upstream = running.enter_context(serving_signed(zones, tmp_path / "signed"))
        site = Site(tmp_path / "site", upstream.port, anchors_of(zones), main=RULED)
        held.enter_context(site.served(one_zone=("tenant_id: one\n", "")))

        def found(name: str) -> list[dict[str, Any]]:
            return [line for line in lines(log) if line.get("qname") == name]

        def noted(name: str) -> list[tuple[str, str, bool]]:
            """The lines of two questions."""
            until(lambda: len(found(name)) == 2)
            return [(line["rcode"], line["validation_status"], line["cached"]) for line in found(name)]

        for _ in range(2):
            assert site.ask("www.altered.test").rcode == "SERVFAIL"
            ruled = site.ask("www.brief.test", source="127.0.0.2", do=False)
            assert {int(record.split()[1]) for record in ruled.records} == {7}
        assert noted("www.altered.test") == [("SERVFAIL", "bogus", False), ("SERVFAIL", "bogus", True)]
        assert noted("www.brief.test") == [("NOERROR", "secure", False), ("NOERROR", "secure", True)]
        asked = 0

        def is_stale() -> bool:
            nonlocal asked
            asked += 1
            return any(code == 3 for code, _ in site.ask("short.brief.test").edes)

        assert not is_stale()
        running.close()
        until(is_stale)
        until(lambda: len(found("short.brief.test")) >= asked)
        assert [found("short.brief.test")[at]["cached"] for at in (0, -1)] == [False, True]
        for _ in range(2):
            said = site.ask("gone.brief.test")
            assert (said.rcode, said.ad) == ("SERVFAIL", False)
        assert noted("gone.brief.test") == [("SERVFAIL", "indeterminate", False), ("SERVFAIL", "indeterminate", True)]
        assert [line["reason"] for line in found("gone.brief.test")] == [said.edes[0][1]] * 2
        assert said.edes[0][0] in (22, 23)
        assert site.metric(INDETERMINATE) == 2


def lines(log: Path) -> list[dict[str, Any]]:
    """Those that are whole."""
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def signing_key(zones: list[Zone], name: str) -> int:
    """The tag of the key that signs the data of a zone."""
    (key,) = (key for zone in zones if zone.spec.name == name for use, key in zone.keys if use.data)
    return dns.dnssec.key_id(key.dnskey)


@pytest.mark.timeout(120)
def test_nothing_outlives_its_signatures(require_peer: Callable[[str], str], tmp_path: Path) -> None:
    """Signed for now, and for a few seconds only: TTLs end with the signatures, and so does what is given as stale
    while the upstream is gone."""
    require_peer("named")
    (tmp_path / "signed").mkdir()
    began = int(time.time())
    brief = Spec("brief.test.", data_window=Window(expiration=BRIEFLY), more="short 1 A 192.0.2.7\n", is_brief=True)
    zones = build([*specs_of(), brief], began)
    seen: list[tuple[float, Said]] = []
    with ExitStack() as held, ExitStack() as running:
        upstream = running.enter_context(serving_signed(zones, tmp_path / "signed"))
        site = held.enter_context(Site(tmp_path / "site", upstream.port, anchors_of(zones)).served())

        def ask() -> Said:
            asked = time.time()
            seen.append((asked, said := site.ask("short.brief.test")))
            return said

        long = site.ask("www.brief.test")
        assert long.ad
        assert all(int(record.split()[1]) <= BRIEFLY for record in long.records)
        assert ask().ad
        running.close()
        until(lambda: ask().rcode == "SERVFAIL")
        until(lambda: site.ask("www.brief.test").rcode == "SERVFAIL")
        assert site.ask("www.brief.test").edes[0][0] == 7
    good = [(asked, said) for asked, said in seen if said.rcode == "NOERROR"]
    assert any(code == 3 for _, said in good for code, _ in said.edes)
    assert max(asked for asked, _ in good) <= began + BRIEFLY + 1
