"""``graydnsctl init``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from graydns.ctl.config_commands import STARTER_FILES
from graydns.ctl.main import main


def test_the_starter_configuration_is_valid(tmp_path: Path) -> None:
    """``check`` accepts it."""
    folder = tmp_path / "new" / "etc"
    runner = CliRunner()
    assert runner.invoke(main, ["init", str(folder)]).exit_code == 0
    checked = runner.invoke(main, ["check", str(folder / "graydns.yaml")])
    assert (checked.exit_code, checked.stdout, checked.stderr) == (0, f"{folder / 'graydns.yaml'}: ok\n", "")


@pytest.mark.parametrize("name", STARTER_FILES)
def test_nothing_is_written_if_a_file_exists(tmp_path: Path, name: str) -> None:
    """Even if it is a broken link."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("nowhere")
    result = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert result.exit_code == 1
    assert str(path) in result.stderr
    assert [each for each in tmp_path.rglob("*") if not each.is_dir()] == [path]


def test_other_files_in_the_folder_are_no_error(tmp_path: Path) -> None:
    """They stay."""
    (tmp_path / "notes").write_text("mine")
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["init", str(tmp_path / "file")])
    assert result.exit_code == 1
    assert result.stderr.startswith("cannot write: ")
    assert result.stderr.count("\n") == 1


def test_json_output_is_one_object(tmp_path: Path) -> None:
    """On standard output, also for errors."""
    for code in (0, 1):
        result = CliRunner().invoke(main, ["--json", "init", str(tmp_path)])
        assert (result.exit_code, result.stderr) == (code, "")
        printed = json.loads(result.stdout)
        assert (printed["ok"], printed["error"] is None, bool(printed["written"])) == (code == 0,) * 3
