"""``graydnsctl check``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import graydns.sources.snapshot_loader  # noqa: F401  # here, as urllib3 binds a socket when it is first imported
from graydns.ctl.main import main

ZONE = """\
zone: shop.test
tenant_id: t
config_version: 1
source: {file: shop.test.zone}
"""

DATA = """\
@ 300 IN SOA ns1.shop.test. hostmaster.shop.test. 1 3600 600 604800 60
@ 300 IN NS ns1.shop.test.
ns1 300 IN A 192.0.2.1
"""


def check(folder: Path, *options: str, text: str = "{}", zone: str = ZONE, data: str = DATA) -> Result:
    """Check a main file of *text* with one zone."""
    home = folder / "zones/shop.test"
    home.mkdir(parents=True, exist_ok=True)
    (home / "zone-config.yaml").write_text(zone)
    (home / "shop.test.zone").write_text(data)
    (folder / "graydns.yaml").write_text(text)
    return CliRunner().invoke(main, ["check", str(folder / "graydns.yaml"), *options])


def test_right(tmp_path: Path) -> None:
    """A right configuration gets one line and status 0."""
    result = check(tmp_path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{tmp_path}/graydns.yaml: ok\n", "")


def test_wrong(tmp_path: Path) -> None:
    """Each error is one line on standard error, and the status is 1."""
    result = check(tmp_path, text="limits: {nsid: ''}\ncache: {size: 1}\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        [f"{tmp_path}/graydns.yaml:1:16", "limits.nsid"],
        [f"{tmp_path}/graydns.yaml:2:15", "cache.size"],
    ]


def test_wrong_zone(tmp_path: Path) -> None:
    """Zones are checked too."""
    result = check(tmp_path, zone=ZONE + "rules: [{name: a}]\n")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{tmp_path}/zones/shop.test/zone-config.yaml:5:9: rules.0: ")


def test_wrong_router(tmp_path: Path) -> None:
    """So are things that only compiling the rules can find, with their place in the file."""
    result = check(tmp_path, zone=ZONE + "rules: [{name: a, when: {regex: '('}, then: {block: nodata}}]\n")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{tmp_path}/zones/shop.test/zone-config.yaml:5:33: rules.0.when.regex: ")


def test_wrong_data(tmp_path: Path) -> None:
    """So are the zone data."""
    result = check(tmp_path, data=DATA + "www 300 IN A nonsense\n")
    assert result.exit_code == 1
    assert "shop.test.zone" in result.stderr
    assert "Traceback" not in result.stderr


def test_warnings(tmp_path: Path) -> None:
    """A warning is shown and does not make a file wrong."""
    rules = "".join(
        f"  - {{name: {name}, when: {{name: '{pattern}'}}, then: {{block: nodata}}}}\n"
        for name, pattern in (("one", "a*"), ("two", "*b"))
    )
    result = check(tmp_path, zone=ZONE + "rules:\n" + rules)
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/graydns.yaml: ok\n")
    assert result.stderr.startswith("warning: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("file", ["missing", "."])
def test_no_file(tmp_path: Path, file: str) -> None:
    """A file that is not there is an error like others."""
    result = CliRunner().invoke(main, ["check", str(tmp_path / file)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{tmp_path / file}: document: found ")


def test_for_programs(tmp_path: Path) -> None:
    """With ``--json`` everything is one object on standard output."""
    result = check(tmp_path, "--json", text="limits: {nsid: ''}\n")
    assert (result.exit_code, result.stderr) == (1, "")
    assert json.loads(result.stdout) == {
        "ok": False,
        "errors": [
            {
                "file": f"{tmp_path}/graydns.yaml",
                "line": 1,
                "column": 16,
                "path": ["limits", "nsid"],
                "found": "''",
                "expected": "a server identifier of 1 to 64 characters",
            }
        ],
        "warnings": [],
    }
    before = CliRunner().invoke(main, ["--json", "check", str(tmp_path / "graydns.yaml")])
    assert before.stdout == result.stdout
    assert json.loads(check(tmp_path, "--json").stdout) == {"ok": True, "errors": [], "warnings": []}


def test_nothing_steers_the_terminal(tmp_path: Path) -> None:
    """Control characters and line ends of a file reach the terminal as escapes."""
    result = check(tmp_path, text='"\\e]0;title\\a\\n\\u202Ekey": 1\n')
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "\\x1b]0;title\\x07\\n\\u202ekey" in result.stderr
    assert result.stderr.rstrip("\n").isprintable()


@pytest.mark.parametrize("arguments", [["check"], ["check", "a", "b"], ["chekc"], ["check", "--jsn", "a"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """Wrong usage is status 2."""
    assert CliRunner().invoke(main, arguments).exit_code == 2
