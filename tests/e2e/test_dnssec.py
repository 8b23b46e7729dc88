"""Validation as somebody meets it who points dig at a graydns that does it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.signedsite import Site
from tests.e2e.test_dnssec_delv import as_delv_has_it
from tools.signed.hierarchy import NOW, anchors_of, build, specs_of
from tools.signed.served import serving as serving_signed
from tools.signed.zone import Zone


@pytest.fixture(scope="module")
def zones() -> list[Zone]:
    """A good zone, broken ones, and one that nobody signs."""
    broken = ("altered.test.", "expired.test.", "early.test.", "unsigned-data.test.", "wrong-ds.test.")
    return build(specs_of("p256.test.", "plain.", *broken), NOW)


@pytest.fixture(scope="module")
def site(zones: list[Zone], signed_upstream: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that nobody changes."""
    with Site(tmp_path_factory.mktemp("site"), signed_upstream, anchors_of(zones), NOW).served() as served:
        yield served


@pytest.fixture
def dig(require_peer: Callable[[str], str], site: Site) -> Callable[..., str]:
    """A function: what dig prints, which is given words."""
    program = require_peer("dig")

    def run(*words: str) -> str:
        command = [program, "@127.0.0.1", "-p", str(site.port), "+tries=1", "+time=5", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    return run


def flags(said: str) -> list[str]:
    """Of a message that dig or kdig printed."""
    (line,) = (line for line in said.splitlines() if line.startswith((";; flags:", ";; Flags:")))
    return line.partition(":")[2].partition(";")[0].split()


class TestDig:
    """The commands that people type first."""

    @pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
    def test_a_signed_name_has_ad_and_signatures(self, dig: Callable[..., str], transport: str) -> None:
        said = dig("+dnssec", transport, "www.p256.test")
        assert "ad" in flags(said)
        assert "status: NOERROR" in said
        assert "RRSIG\tA 13 3 300" in said

    def test_without_dnssec_there_is_ad_and_no_signature(self, dig: Callable[..., str]) -> None:
        """dig sets AD in its query; without that nobody is told."""
        said = dig("www.p256.test")
        assert "ad" in flags(said)
        assert "RRSIG" not in said
        assert "ad" not in flags(dig("+noadflag", "www.p256.test"))

    def test_absence_is_proven(self, dig: Callable[..., str]) -> None:
        said = dig("+dnssec", "nowhere.p256.test")
        assert "ad" in flags(said)
        assert "status: NXDOMAIN" in said
        assert said.count("\tNSEC\t") == 2
        assert "NSEC" not in dig("nowhere.p256.test")

    def test_over_tls(self, require_peer: Callable[[str], str], site: Site) -> None:
        command = [require_peer("kdig"), "@127.0.0.1", "-p", str(site.ports[1]), "+tls", "+dnssec", "www.p256.test"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
        assert "TLS" in said
        assert "ad" in flags(said)
        assert "RRSIG" in said

    @pytest.mark.parametrize(
        ("zone", "ede", "texts"),
        [
            ("altered.test", "EDE: 6", ("www.altered.test A", "does not verify")),
            ("expired.test", "EDE: 7", ("www.expired.test A", "expired at 20261120120000")),
            ("early.test", "EDE: 8", ("www.early.test A", "not valid before 20261124120000")),
            ("wrong-ds.test", "EDE: 9", ("wrong-ds.test",)),
            ("unsigned-data.test", "EDE: 10", ("unsigned-data.test", "has no signature")),
        ],
    )
    def test_a_broken_zone_says_what_is_wrong(
        self, dig: Callable[..., str], zone: str, ede: str, texts: tuple[str, ...]
    ) -> None:
        """SERVFAIL, with the reason; and with +cd the data, without AD."""
        said = dig("+dnssec", f"www.{zone}")
        assert "status: SERVFAIL" in said
        assert "192.0.2.80" not in said
        (line,) = (line for line in said.splitlines() if ede in line)
        assert all(text in line for text in texts)
        unchecked = dig("+dnssec", "+cd", f"www.{zone}")
        assert "status: NOERROR" in unchecked
        assert "192.0.2.80" in unchecked
        assert "ad" not in flags(unchecked)

    def test_what_nobody_signs_is_answered_without_ad(self, dig: Callable[..., str]) -> None:
        said = dig("+dnssec", "www.plain")
        assert "status: NOERROR" in said
        assert "ad" not in flags(said)


def test_delv_validates_what_comes_through(require_peer: Callable[[str], str], tmp_path: Path) -> None:
    """A validator behind it finds all that it needs. delv has no clock of its own, so this is signed for now."""
    delv, now = require_peer("delv"), int(time.time())
    require_peer("named")
    (tmp_path / "signed").mkdir()
    zones = build(specs_of("p256.test."), now)
    config = tmp_path / "anchors"
    config.write_text("".join(map(as_delv_has_it, anchors_of(zones))))
    with (
        serving_signed(zones, tmp_path / "signed") as running,
        Site(tmp_path / "site", running.port, anchors_of(zones)).served() as site,
    ):
        for name, expected in (("www.p256.test", "; fully validated"), ("nowhere.p256.test", "ncache nxdomain")):
            command = [delv, "@127.0.0.1", "-p", str(site.port), "-a", str(config), "+root=.", name]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
            assert expected in done.stdout + done.stderr
