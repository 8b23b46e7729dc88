"""``graydnsctl init``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from graydns.ctl.config_commands import STARTER_FILES
from graydns.ctl.main import main


def test_the_starter_passes_check(tmp_path: Path) -> None:
    """What init writes is right as it stands, and check says so."""
    folder = tmp_path / "new" / "etc"
    runner = CliRunner()
    assert runner.invoke(main, ["init", str(folder)]).exit_code == 0
    checked = runner.invoke(main, ["check", str(folder / "graydns.yaml")])
    assert (checked.exit_code, checked.stdout, checked.stderr) == (0, f"{folder / 'graydns.yaml'}: ok\n", "")


@pytest.mark.parametrize("name", STARTER_FILES)
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    """One file that is there already, be it a broken link, is enough for nothing to be written."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("nowhere")
    result = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert result.exit_code == 1
    assert str(path) in result.stderr
    assert [each for each in tmp_path.rglob("*") if not each.is_dir()] == [path]


def test_beside_other_files(tmp_path: Path) -> None:
    """A folder with other files in it is a good place."""
    (tmp_path / "notes").write_text("mine")
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "notes").read_text() == "mine"


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A file in the way is an error in one line, not a traceback."""
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["init", str(tmp_path / "file")])
    assert result.exit_code == 1
    assert result.stderr.startswith("cannot write: ")
    assert result.stderr.count("\n") == 1


def test_for_programs(tmp_path: Path) -> None:
    """With ``--json`` the outcome is one object on standard output, right or wrong."""
    for code in (0, 1):
        result = CliRunner().invoke(main, ["--json", "init", str(tmp_path)])
        assert (result.exit_code, result.stderr) == (code, "")
        told = json.loads(result.stdout)
        assert (told["ok"], told["error"] is None, bool(told["written"])) == (code == 0,) * 3
