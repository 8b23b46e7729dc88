"""The section ``dnssec:``: what it loads as, and where its faults are said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.config.dnssec_settings import DnssecLimitSettings, DnssecSettings, NegativeTrustAnchor
from graydns.model.dnssec_values import parse_trust_anchor
from graydns.model.errors import ConfigError
from graydns.model.name import from_text
from graydns.sources.snapshot_loader import read_configuration
from tests.config.files import brief, faults_of_main, load_main, main_of, write_main

DIGEST = "00" * 32
DS = f"test. IN DS 12345 13 2 {DIGEST}"

EVERY_KEY = f"""\
dnssec:
  validate: true
  trust_anchors: ["{DS}"]
  negative_trust_anchors: [{{name: broken.test., until: 2026-12-01T00:00:00Z}}, {{name: corp}}]
  algorithms: [5, 8, 13]
  skew: 5m
  validation_time: 20261122120000
  limits: {{signatures: 8, same_tag_keys: 2, nsec3_hashes: 32, queries: 16}}
"""

FAULTS = [
    ("{valid: true}", "1:10 dnssec.valid: the unknown key 'valid'", "'validate', or another one of validate"),
    ("{validate: yes}", "1:20 dnssec.validate: 'yes'", "true or false"),
    (
        "{trust_anchors: ['test. IN A 192.0.2.1']}",
        "1:26 dnssec.trust_anchors.0: 'test. IN A 192.0.2.1'",
        "neither a DS",
    ),
    ("{trust_anchors: ['test. DS 1 13 2 00']}", "1:26 dnssec.trust_anchors.0: 'test. DS 1 13 2 00'", "digest length"),
    ("{negative_trust_anchors: [{until: 2026-12-01T00:00:00Z}]}", "1:35 dnssec.negative_trust_anchors.0", "name"),
    (
        "{negative_trust_anchors: [{name: a, until: 2026-12-01}]}",
        "1:52 dnssec.negative_trust_anchors.0.until: '2026-12-01'",
        "a moment such as 2026-12-01T00:00:00Z",
    ),
    (
        "{negative_trust_anchors: [{name: a, until: 2026-13-01T00:00:00Z}]}",
        "1:52 dnssec.negative_trust_anchors.0.until: '2026-13-01T00:00:00Z'",
        "a moment such as 2026-12-01T00:00:00Z",
    ),
    (
        "{negative_trust_anchors: [{name: a}, {name: A.}]}",
        "1:53 dnssec.negative_trust_anchors.1.name: a again",
        "each name once",
    ),
    ("{algorithms: []}", "1:22 dnssec.algorithms: an empty list", "at least one algorithm"),
    ("{algorithms: [1]}", "1:23 dnssec.algorithms.0: '1'", "one of 5, 7, 8"),
    ("{skew: 2d}", "1:16 dnssec.skew: '2d'", "a duration from 0s to 1d"),
    ("{validation_time: 20261322120000}", "1:27 dnssec.validation_time: '20261322120000'", "a moment such as"),
    ("{validation_time: now}", "1:27 dnssec.validation_time: 'now'", "or Unix seconds"),
    ("{limits: {signatures: 0}}", "1:31 dnssec.limits.signatures: '0'", "a whole number from 1 to 1000"),
]


def test_every_key(tmp_path: Path) -> None:
    """Texts become anchors, names and moments; the clock may be fixed by date or by Unix seconds."""
    assert main_of(tmp_path, EVERY_KEY).dnssec == DnssecSettings(
        validate=True,
        trust_anchors=(parse_trust_anchor(DS),),
        negative_trust_anchors=(
            NegativeTrustAnchor(from_text("broken.test."), 1796083200),
            NegativeTrustAnchor(from_text("corp.")),
        ),
        algorithms=(5, 8, 13),
        skew=300.0,
        validation_time=1795348800,
        limits=DnssecLimitSettings(8, 2, 32, 16),
    )
    assert main_of(tmp_path, "dnssec: {validation_time: 1795348800}").dnssec.validation_time == 1795348800


def test_nothing_is_validated_unless_it_is_said(tmp_path: Path) -> None:
    assert main_of(tmp_path, "{}").dnssec == DnssecSettings()
    assert not DnssecSettings().validate


@pytest.mark.parametrize(("section", "place", "expected"), FAULTS)
def test_faults(tmp_path: Path, section: str, place: str, expected: str) -> None:
    (fault,) = faults_of_main(tmp_path, f"dnssec: {section}\n")
    assert brief(fault).startswith(place)
    assert expected in fault.expected


def test_anchors_of_a_file_come_on_top(tmp_path: Path) -> None:
    """Comments and blank lines are passed over, and so is what other software writes behind a record."""
    (tmp_path / "root.key").write_text(f"; a comment\n\n{DS} ;;state=2 [  VALID  ]\n. 172800 IN DS 1 8 2 {DIGEST}\n")
    found = main_of(tmp_path, f'dnssec: {{trust_anchor_file: root.key, trust_anchors: ["corp. DS 2 8 2 {DIGEST}"]}}')
    assert [anchor.zone for anchor in found.dnssec.trust_anchors] == [from_text(each) for each in ("corp", "test", ".")]


def test_faults_of_that_file(tmp_path: Path) -> None:
    """Each with its line; a file that is not there, or has nothing, is a fault too."""
    (tmp_path / "wrong.key").write_text(f"{DS}\ntest. IN A 192.0.2.1\nx\n")
    (tmp_path / "empty.key").write_text("; nothing\n")
    for file, lines in (("wrong.key", [2, 3]), ("empty.key", [0])):
        with pytest.raises(ConfigError) as caught:
            load_main(write_main(tmp_path, f"dnssec: {{trust_anchor_file: {file}}}"))
        assert [(Path(fault.file).name, fault.line) for fault in caught.value.issues] == [
            (file, line) for line in lines
        ]
    (fault,) = faults_of_main(tmp_path, "dnssec: {trust_anchor_file: none.key}")
    assert "none.key" in fault.found
    assert (fault.line, fault.column) == (1, 29)


def test_the_server_uses_the_trust_anchor_file(tmp_path: Path) -> None:
    """What the server starts from has the anchors of the file, and the file is watched for changes."""
    (tmp_path / "root.key").write_text(DS)
    reading = read_configuration(write_main(tmp_path, "dnssec: {validate: true, trust_anchor_file: root.key}"))
    assert reading.config.dnssec.trust_anchors == (parse_trust_anchor(DS),)
    assert tmp_path / "root.key" in reading.paths()


@pytest.mark.parametrize("text", [None, "", f"{DS}\nx\n"])
def test_the_server_refuses_to_start_with_a_bad_trust_anchor_file(tmp_path: Path, text: str | None) -> None:
    """A file that is missing, has no record or has a wrong one is an error at start."""
    if text is not None:
        (tmp_path / "root.key").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_configuration(write_main(tmp_path, "dnssec: {validate: true, trust_anchor_file: root.key}"))
    assert "root.key" in str(caught.value)
