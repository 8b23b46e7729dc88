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


def test_a_valid_configuration_is_ok(tmp_path: Path) -> None:
    """One line, and exit status 0."""
    result = check(tmp_path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{tmp_path}/graydns.yaml: ok\n", "")


def test_each_error_is_one_line(tmp_path: Path) -> None:
    """On standard error, and the exit status is 1."""
    result = check(tmp_path, text="limits: {nsid: ''}\ncache: {size: 1}\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        [f"{tmp_path}/graydns.yaml:1:16", "limits.nsid"],
        [f"{tmp_path}/graydns.yaml:2:15", "cache.size"],
    ]


def test_zones_are_checked(tmp_path: Path) -> None:
    """With their own files."""
    result = check(tmp_path, zone=ZONE + "rules: [{name: a}]\n")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{tmp_path}/zones/shop.test/zone-config.yaml:5:9: rules.0: ")


def test_rules_are_compiled(tmp_path: Path) -> None:
    """Errors found by that have their position in the file."""
    result = check(tmp_path, zone=ZONE + "rules: [{name: a, when: {regex: '('}, then: {block: nodata}}]\n")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{tmp_path}/zones/shop.test/zone-config.yaml:5:33: rules.0.when.regex: ")


def test_zone_data_are_checked(tmp_path: Path) -> None:
    """With the file and line."""
    result = check(tmp_path, data=DATA + "www 300 IN A nonsense\n")
    assert result.exit_code == 1
    assert "shop.test.zone" in result.stderr
    assert "Traceback" not in result.stderr


def test_warnings_are_no_errors(tmp_path: Path) -> None:
    """They are printed, and the exit status is 0."""
    rules = "".join(
        f"  - {{name: {name}, when: {{name: '{pattern}'}}, then: {{block: nodata}}}}\n"
        for name, pattern in (("one", "a*"), ("two", "*b"))
    )
    result = check(tmp_path, zone=ZONE + "rules:\n" + rules)
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/graydns.yaml: ok\n")
    assert result.stderr.startswith("warning: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("file", ["missing", "."])
def test_a_missing_file_is_an_error(tmp_path: Path, file: str) -> None:
    """Like others."""
    result = CliRunner().invoke(main, ["check", str(tmp_path / file)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{tmp_path / file}: document: found ")


def test_json_output_is_one_object(tmp_path: Path) -> None:
    """On standard output."""
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


def test_text_from_files_is_escaped(tmp_path: Path) -> None:
    """Control characters and line ends."""
    result = check(tmp_path, text='"\\e]0;title\\a\\n\\u202Ekey": 1\n')
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "\\x1b]0;title\\x07\\n\\u202ekey" in result.stderr
    assert result.stderr.rstrip("\n").isprintable()


@pytest.mark.parametrize("arguments", [["check"], ["check", "a", "b"], ["chekc"], ["check", "--jsn", "a"]])
def test_wrong_usage_has_exit_status_2(arguments: list[str]) -> None:
    """Too many or too few arguments."""
    assert CliRunner().invoke(main, arguments).exit_code == 2
