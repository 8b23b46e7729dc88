"""What a start finds: heads that are gone or forged, another key, a log of an older version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import (
    AuditHead,
    HmacChain,
    PublishedHead,
    format_head,
    head_path,
    load_audit_key,
    load_head,
    parse_head,
)
from graydns.audit.log_files import list_full_files
from graydns.audit.recovery import has_sealed_lines

SEAL = HmacChain(b"k" * 32)


def opened(folder: Path, seal: HmacChain = SEAL, name: str = "a") -> AuditLog:
    """A log in *folder*."""
    return AuditLog(folder / name, seal, lambda: 0.0, lambda: AuditLogBounds(1 << 20, 3))


def change(log: AuditLog, count: int = 1) -> None:
    for _ in range(count):
        log.write("uid:0", "act", "t", None, {}, "unix", None)


def cut(path: Path, lines: int) -> None:
    """Leave the first *lines*."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))


def test_a_change_is_in_the_head_at_once(tmp_path: Path) -> None:
    """A server that was killed the moment after: what is cut off then shows."""
    log = opened(tmp_path)
    change(log, 5)
    assert load_head(tmp_path / "a", SEAL) == PublishedHead(log.head, str(tmp_path / "a"), True)
    log.close()
    cut(tmp_path / "a", 4)
    assert opened(tmp_path).verify()["why"] == "before line 5 the log was cut off"


def test_a_server_that_runs_needs_no_head(tmp_path: Path) -> None:
    """It knows its last line."""
    log = opened(tmp_path)
    change(log)
    log.append([b'"qname":"a.test"'] * 5)
    cut(tmp_path / "a", 3)
    assert log.verify()["missing"] == (4, 6)


@pytest.mark.parametrize("seal", [b"", b',"seal":"%s"' % (b"0" * 64), b',"seal":7'])
def test_a_head_for_a_shorter_log_cannot_be_made(tmp_path: Path, seal: bytes) -> None:
    """Neither without a seal nor with a made-up one, though its line is one of the log's."""
    log = opened(tmp_path)
    change(log, 2)
    head = log.head
    change(log, 2)
    cut(tmp_path / "a", 2)
    forged = b'{"number":%d,"hmac":"%s"%s}' % (head.number, head.hmac.encode(), seal)
    head_path(tmp_path / "a").write_bytes(forged)
    log.close()
    with pytest.raises(ValueError, match=r"a\.head was altered, or sealed with another key"):
        opened(tmp_path)


def test_every_octet_of_a_head_counts() -> None:
    """But for those behind its seal."""
    text = format_head(AuditHead(714, "a" * 64), 1_700_000_000.0, Path("/var/audit.jsonl"), SEAL)
    assert parse_head(text, SEAL) == PublishedHead(AuditHead(714, "a" * 64), "/var/audit.jsonl", True)
    assert parse_head(text, HmacChain(bytes(32))).sealed is False
    for at in range(len(text) - 1):
        altered = text[:at] + bytes((text[at] ^ 1,)) + text[at + 1 :]
        try:
            found = parse_head(altered, SEAL)
        except ValueError:
            continue
        assert not found.sealed


def test_a_head_that_is_gone(tmp_path: Path) -> None:
    """It was there before the first line, so somebody took it away: said at once, and for good after a start."""
    log = opened(tmp_path)
    change(log, 4)
    head_path(tmp_path / "a").unlink()
    found = log.verify()
    assert (found["ok"], found["first_bad"], found["why"]) == (False, None, "a.head is gone")
    log.close()
    cut(tmp_path / "a", 2)
    for _ in range(2):
        log = opened(tmp_path)
        change(log)
        assert log.verify()["why"] == "before line 3 the head had been removed, and perhaps lines with it"
        log.close()
    assert (tmp_path / "a").read_bytes().count(b'"lost"') == 1


def test_each_log_has_a_head_of_its_own(tmp_path: Path) -> None:
    """One beside the other, whichever is written, with the head that an older version has left for whichever."""
    (tmp_path / "audit.head").write_bytes(b'{"number":9,"hmac":"%s"}' % (b"0" * 64))
    for name in ("a", "b", "a", "b"):
        log = opened(tmp_path, name=name)
        change(log, 2)
        assert log.verify()["ok"]
        log.close()


def test_a_head_published_for_another_log_is_passed_over(tmp_path: Path) -> None:
    """As one is that nobody can read; that of this log counts, even if its seal is of a key that is gone."""
    log = opened(tmp_path)
    change(log)
    elsewhere = AuditHead(714, "a" * 64)
    log.check_published_head(format_head(elsewhere, 0.0, tmp_path / "b", SEAL))
    log.check_published_head(b"what is this")
    assert log.verify()["ok"]
    log.check_published_head(format_head(elsewhere, 0.0, tmp_path / "a", HmacChain(bytes(32))))
    assert log.verify()["why"] == "before line 2 the log was cut off"


def test_another_key_is_said_to_be_one(tmp_path: Path) -> None:
    """Nothing is written with it."""
    log = opened(tmp_path)
    change(log, 3)
    log.close()
    content = (tmp_path / "a").read_bytes()
    with pytest.raises(ValueError, match=r"none of its lines fits audit\.key: they were sealed with another one"):
        opened(tmp_path, HmacChain(bytes(32)))
    assert (tmp_path / "a").read_bytes() == content
    assert opened(tmp_path).verify()["ok"]


def test_an_altered_line_is_no_other_key(tmp_path: Path) -> None:
    """The server starts, and tells which line it is, be it the first of the file or the only one."""
    for count in (1, 2, 5):
        folder = tmp_path / str(count)
        folder.mkdir()
        log = opened(folder)
        change(log, count)
        log.close()
        content = (folder / "a").read_bytes()
        (folder / "a").write_bytes(content.replace(b'"uid:0"', b'"uid:1"', 1))
        found = opened(folder).verify()
        assert (found["first_bad"], found["why"]) == (1, "line 1 was altered")


def test_a_key_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    """As long as lines need it."""
    assert not has_sealed_lines(tmp_path / "none" / "a")
    seal = HmacChain(load_audit_key(tmp_path / "key", has_sealed_lines(tmp_path / "a")))
    log = opened(tmp_path, seal)
    assert not has_sealed_lines(tmp_path / "a")
    change(log)
    (tmp_path / "key").unlink()
    (tmp_path / "a").rename(tmp_path / "a.0000000001")
    with pytest.raises(ValueError, match="it is gone, and there are lines that were sealed with it"):
        load_audit_key(tmp_path / "key", has_sealed_lines(tmp_path / "a"))
    assert not (tmp_path / "key").exists()


def test_a_log_of_a_version_without_seals_is_put_aside(tmp_path: Path) -> None:
    """Whole, also if that was interrupted, and with a name that is free; a new chain begins."""
    old = [json.dumps({"number": number, "previous": "0" * 32, "actor": "uid:0"}) + "\n" for number in range(1, 5)]
    (tmp_path / "a.older").write_text("from the time before")
    (tmp_path / "a.0000000001").write_text("".join(old[:2]))
    (tmp_path / "a").write_text("".join(old[2:]))
    log = opened(tmp_path)
    change(log)
    found = log.verify()
    assert (found["ok"], found["first"], found["lines"]) == (True, 1, 1)
    assert [number for number, _ in list_full_files(tmp_path / "a.older2")] == [1]
    assert (tmp_path / "a.older2").read_text() == "".join(old[2:])
    assert (tmp_path / "a.older").read_text() == "from the time before"
    assert list_full_files(tmp_path / "a") == []


def test_a_log_whose_seals_were_taken_off_is_not(tmp_path: Path) -> None:
    """Its head says that it had some."""
    log = opened(tmp_path)
    change(log, 3)
    log.close()
    (tmp_path / "a").write_bytes(b'{"number":1}\n')
    log = opened(tmp_path)
    assert not (tmp_path / "a.older").exists()
    assert not log.verify()["ok"]
