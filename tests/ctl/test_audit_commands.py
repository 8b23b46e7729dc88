"""``graydnsctl audit verify`` without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import AuditHead, HmacChain, load_audit_key, read_audit_key
from graydns.ctl.main import main


def verify(folder: Path, *words: str, typed: str = "") -> Result:
    """Run it; the words that begin with @ are files in *folder*."""
    named = [str(folder / word[1:]) if word.startswith("@") else word for word in words]
    return CliRunner().invoke(main, ["audit", "verify", *named], input=typed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a log of five lines, published at the fourth."""
    seal = HmacChain(load_audit_key(tmp_path / "audit.key"))
    log = AuditLog(tmp_path / "a.jsonl", seal, lambda: 0.0, lambda: AuditLogBounds(1 << 20, 1))
    log.append([b'"item":%d' % number for number in range(4)])
    log.publish()
    log.append([b'"item":4'])
    log.close()
    return tmp_path


LOG = ("--file", "@a.jsonl", "--key", "@audit.key")


def test_an_unaltered_log_is_verified(folder: Path) -> None:
    """It is compared with its head file."""
    ran = verify(folder, *LOG, "--json")
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)["result"] == {
        "first": 1,
        "last": 5,
        "lines": 5,
        "ok": True,
        "first_bad": None,
        "why": "",
        "missing": None,
        "dropped": 0,
        "published": 4,
        "note": "",
    }


def test_an_altered_log_is_reported(folder: Path) -> None:
    """With exit status 1 and the reason, as text and as JSON."""
    content = (folder / "a.jsonl").read_bytes()
    (folder / "a.jsonl").write_bytes(content.replace(b'"item":2', b'"item":3'))
    ran = verify(folder, *LOG)
    assert ran.exit_code == 1
    assert "the audit log was changed: line 3 was altered" in ran.stderr
    ran = verify(folder, *LOG, "--json")
    assert (ran.exit_code, json.loads(ran.stdout)["result"]["first_bad"]) == (1, 3)


def test_a_truncated_log_is_reported(folder: Path) -> None:
    """Also if the head file was removed; a published head tells which lines are missing."""
    head = (folder / "a.jsonl.head").read_text()
    (folder / "a.jsonl.head").unlink()
    ran = verify(folder, *LOG, "--head", "-", typed=head)
    assert ran.exit_code == 0
    (folder / "a.jsonl").write_bytes(b"".join((folder / "a.jsonl").read_bytes().splitlines(keepends=True)[:3]))
    ran = verify(folder, *LOG)
    assert ran.exit_code == 1
    missing = f"{folder}/a.jsonl.head is missing, and without a head nobody can tell whether lines were cut off"
    assert missing in ran.stderr
    ran = verify(folder, *LOG, "--json")
    found = json.loads(ran.stdout)["result"]
    assert (ran.exit_code, found["ok"], found["why"]) == (1, False, missing)
    ran = verify(folder, *LOG, "--head", "-", typed=head)
    assert ran.exit_code == 1
    assert "line 4 is missing: the log was published up to there" in ran.stderr


def test_an_emptied_log_is_reported(folder: Path) -> None:
    """By its head file; without one the head is reported as missing."""
    (folder / "a.jsonl").write_bytes(b"")
    ran = verify(folder, *LOG)
    assert ran.exit_code == 1
    assert "lines 1 to 4 are missing" in ran.stderr
    (folder / "a.jsonl.head").unlink()
    ran = verify(folder, *LOG)
    assert ran.exit_code == 1
    assert "there are no lines, and no head that says there should be none" in ran.stderr


def test_a_log_without_lines_is_verified(tmp_path: Path) -> None:
    """Its head file says that there are none."""
    AuditLog(
        tmp_path / "a.jsonl",
        HmacChain(load_audit_key(tmp_path / "audit.key")),
        lambda: 0.0,
        lambda: AuditLogBounds(99, 1),
    ).close()
    ran = verify(tmp_path, *LOG, "--json")
    found = json.loads(ran.stdout)["result"]
    assert (ran.exit_code, found["lines"], found["published"], found["note"]) == (0, 0, 0, "")


def test_altered_lines_are_reported_before_a_missing_head(folder: Path) -> None:
    """The head comes last."""
    (folder / "a.jsonl.head").unlink()
    content = (folder / "a.jsonl").read_bytes()
    (folder / "a.jsonl").write_bytes(content.replace(b'"item":2', b'"item":3'))
    assert "line 3 was altered" in verify(folder, *LOG).stderr


def test_a_log_of_a_version_without_head_files_is_verified(folder: Path) -> None:
    """With the note that its end cannot be checked."""
    (folder / "a.jsonl.head").unlink()
    seal, head, lines = HmacChain(read_audit_key(folder / "audit.key")), AuditHead(), []
    for number in range(3):
        line, head = seal.append_line(head, b'"item":%d' % number, number == 0)
        lines.append(line + b"\n")
    (folder / "a.jsonl").write_bytes(b"".join(lines))
    ran = verify(folder, *LOG)
    assert ran.exit_code == 0
    assert "without a head nobody can tell whether lines after 3 were cut off" in ran.stdout


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (("--file", "@a.jsonl"), 2, "--file needs --key"),
        (("--key", "@audit.key"), 2, "belong to --file"),
        (("--file", "@none", "--key", "@audit.key"), 1, "none: No such file or directory"),
        (("--file", "@a.jsonl", "--key", "@none"), 1, "none: No such file or directory"),
        (("--file", "@a.jsonl", "--key", "@a.jsonl"), 1, "a.jsonl: it is not 64 hexadecimal digits"),
        ((*LOG, "--head", "@audit.key"), 1, "audit.key: it is not a published head"),
    ],
)
def test_files_that_cannot_be_checked_are_errors(
    folder: Path, words: tuple[str, ...], status: int, expected: str
) -> None:
    """The text names the file."""
    ran = verify(folder, *words)
    assert ran.exit_code == status
    assert expected in ran.stderr
