"""``graydnsctl passwd``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graydns.ctl.main import main
from graydns.model.users import User, parse_users


def passwd(folder: Path, *words: str, typed: str = "correct horse\n") -> Result:
    """Run it on the data folder *folder*."""
    return CliRunner().invoke(main, ["passwd", "--data", str(folder), *words], input=typed)


def users(folder: Path) -> dict[str, User]:
    return parse_users((folder / "users.json").read_text())


def test_a_new_user_is_a_viewer(tmp_path: Path) -> None:
    """The file has mode 0600 and does not contain the password."""
    result = passwd(tmp_path, "alice")
    assert (result.exit_code, result.stderr) == (0, "")
    assert users(tmp_path)["alice"].scrypt.matches("correct horse")
    assert (users(tmp_path)["alice"].role, users(tmp_path)["alice"].tenant) == ("viewer", None)
    path = tmp_path / "users.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "horse" not in path.read_text()
    assert os.listdir(tmp_path) == ["users.json"]


def test_a_new_password_keeps_role_and_tenant(tmp_path: Path) -> None:
    """Other users are not changed."""
    passwd(tmp_path, "bob", "--role", "admin")
    passwd(tmp_path, "alice", "--role", "operator", "--tenant", "t-shop")
    before = users(tmp_path)
    passwd(tmp_path, "alice", typed="another horse\n")
    after = users(tmp_path)
    assert (after["alice"].role, after["alice"].tenant) == ("operator", "t-shop")
    assert after["alice"].scrypt.matches("another horse")
    assert after["bob"] == before["bob"]
    passwd(tmp_path, "alice", "--tenant", "", "--role", "viewer")
    assert (users(tmp_path)["alice"].role, users(tmp_path)["alice"].tenant) == ("viewer", None)


def test_a_user_is_removed(tmp_path: Path) -> None:
    """An unknown user is an error."""
    passwd(tmp_path, "alice")
    assert passwd(tmp_path, "alice", "--remove").exit_code == 0
    assert users(tmp_path) == {}
    result = passwd(tmp_path, "alice", "--remove")
    assert result.exit_code == 1
    assert "no user alice" in result.stderr


@pytest.mark.parametrize(
    ("words", "typed", "status"),
    [
        (["alice"], "short\n", 1),
        (["alice"], "", 1),
        (["alice", "--role", "admin", "--tenant", "t"], "correct horse\n", 1),
        (["alice", "--role", "king"], "correct horse\n", 2),
        (["a b"], "correct horse\n", 2),
        (["-x"], "correct horse\n", 2),
    ],
)
def test_invalid_passwords_roles_and_names_are_errors(
    words: list[str], typed: str, status: int, tmp_path: Path
) -> None:
    """Nothing is changed."""
    assert passwd(tmp_path, *words, typed=typed).exit_code == status
    assert os.listdir(tmp_path) == []


def test_an_invalid_users_file_is_not_overwritten(tmp_path: Path) -> None:
    """Its users are not lost."""
    (tmp_path / "users.json").write_text('{"users": {')
    result = passwd(tmp_path, "alice")
    assert result.exit_code == 1
    assert (tmp_path / "users.json").read_text() == '{"users": {'


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """In one line."""
    result = passwd(tmp_path / "none", "alice")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_json_output_is_one_object(tmp_path: Path) -> None:
    """With the name, the file and whether the user was removed."""
    result = passwd(tmp_path, "alice", "--json")
    printed = json.loads(result.stdout)
    assert printed["result"] == {"name": "alice", "removed": False, "file": str(tmp_path / "users.json")}
