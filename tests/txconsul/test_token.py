"""Where the token comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from txconsul.authentication import FileToken, make_token_source
from txconsul.reply import TokenUnreadableError


def test_a_token_comes_before_the_environment() -> None:
    """The variable is for when nothing is said."""
    assert make_token_source("ours", None, {"CONSUL_HTTP_TOKEN": "theirs"}).current() == "ours"
    assert make_token_source(None, None, {"CONSUL_HTTP_TOKEN": "theirs"}).current() == "theirs"
    assert make_token_source(None, None, {}).current() is None


def test_a_token_and_a_file_contradict_each_other(tmp_path: Path) -> None:
    """One of them would be ignored."""
    with pytest.raises(ValueError, match="only one"):
        make_token_source("ours", tmp_path / "token", {})


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    """Its first line is the token."""
    (tmp_path / "token").write_text("one\n# a remark\n")
    token = make_token_source(None, tmp_path / "token", {})
    assert token.current() == "one"
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").replace(tmp_path / "token")
    assert token.current() == "two"


def test_a_refused_token_is_read_anew(tmp_path: Path) -> None:
    """Even if the file looks as before."""
    token = FileToken(tmp_path / "token")
    (tmp_path / "token").write_text("one")
    assert token.current() == "one"
    token._fingerprint, token._text = token._fingerprint, "older"
    token.invalidate()
    assert token.current() == "one"


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("")])
def test_a_file_that_is_gone_leaves_the_token(spoil: object, tmp_path: Path) -> None:
    """Nobody is made anonymous by a file that is being written."""
    (tmp_path / "token").write_text("one")
    token = FileToken(tmp_path / "token")
    assert token.current() == "one"
    assert callable(spoil)
    spoil(tmp_path / "token")
    assert token.current() == "one"


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_without_any_token_nothing_is_sent(content: bytes | None, tmp_path: Path) -> None:
    """As anonymous, lists would be empty without an error."""
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(TokenUnreadableError, match="token file"):
        FileToken(tmp_path / "token").current()


def test_the_token_stays_out_of_logs(tmp_path: Path) -> None:
    """It is not part of the repr."""
    (tmp_path / "token").write_text("secret-1")
    file = FileToken(tmp_path / "token")
    file.current()
    assert "secret-1" not in repr(file) + repr(make_token_source("secret-1", None, {}))
