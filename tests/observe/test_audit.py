"""The audit log is on the disk, in order, and shows when somebody changed it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from graydns.observe.audit import NOTHING, AuditLog


def open_log(folder: Path) -> AuditLog:
    """A log in *folder*, at one moment."""
    return AuditLog(folder / "audit.log", lambda: 1_700_000_000.0)


def write(log: AuditLog, count: int, **fields: Any) -> None:
    for number in range(count):
        line = {"actor": "uid:0", "action": "service percent", "target": "api.test", "before": {"canary": number},
                "after": {"canary": number + 1}, "origin": "unix", "tenant": "t-demo"}  # fmt: skip
        log.write(**(line | fields))


def test_lines_are_read_as_written(tmp_path: Path) -> None:
    """A line tells who did what to what, from where, when, and what was there before."""
    log = open_log(tmp_path)
    write(log, 1)
    assert log.tail(5) == [
        {
            "number": 1,
            "at": "2023-11-14T22:13:20.000+00:00",
            "actor": "uid:0",
            "origin": "unix",
            "tenant": "t-demo",
            "action": "service percent",
            "target": "api.test",
            "before": {"canary": 0},
            "after": {"canary": 1},
            "previous": NOTHING,
        }
    ]
    assert (tmp_path / "audit.log").stat().st_mode & 0o777 == 0o600


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Numbers and hashes continue where they were."""
    for _ in range(3):
        log = open_log(tmp_path)
        write(log, 2)
        log.close()
    log = open_log(tmp_path)
    assert [record["number"] for record in log.tail(100)] == [1, 2, 3, 4, 5, 6]
    assert log.verify() == {"lines": 6, "ok": True, "first_bad": None}


@pytest.mark.parametrize(
    ("change", "first_bad"),
    [
        (lambda lines: [*lines[:3], lines[3].replace(b"uid:0", b"uid:1"), *lines[4:]], 5),
        (lambda lines: [*lines[:3], *lines[4:]], 4),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:5], b"not JSON\n", *lines[5:]], 6),
        (lambda lines: [*lines, lines[-1]], 11),
    ],
)
def test_changes_show(tmp_path: Path, change: Any, first_bad: int) -> None:
    """A line altered, taken out, moved, put in or repeated breaks the chain there, or just after."""
    log = open_log(tmp_path)
    write(log, 10)
    path = tmp_path / "audit.log"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    found = log.verify()
    assert (found["ok"], found["first_bad"]) == (False, first_bad)


def test_a_torn_line_never_counted(tmp_path: Path) -> None:
    """What a power failure left of a line is cut off, and the chain is whole."""
    write(open_log(tmp_path), 3)
    with (tmp_path / "audit.log").open("ab") as file:
        file.write(b'{"number": 4, "act')
    log = open_log(tmp_path)
    write(log, 1)
    assert log.verify() == {"lines": 4, "ok": True, "first_bad": None}


def test_a_full_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is not on the disk raises, leaves nothing behind, and is counted; the next one is in order."""
    log = open_log(tmp_path)
    write(log, 1)
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:20]))
    with pytest.raises(OSError, match="space"):
        write(log, 1)
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(5, "broken")))
    with pytest.raises(OSError, match="broken"):
        write(log, 1)
    monkeypatch.undo()
    write(log, 1)
    assert log.failures == 2
    assert log.verify() == {"lines": 2, "ok": True, "first_bad": None}


def test_tenants_see_their_lines_only(tmp_path: Path) -> None:
    """The tail for a tenant has its last lines, however many others stand between."""
    log = open_log(tmp_path)
    for number in range(30):
        write(log, 1, tenant="a" if number % 10 == 0 else "b")
    assert [record["number"] for record in log.tail(2, "a")] == [11, 21]
    assert len(log.tail(100)) == 30
    assert log.tail(0) == []


def test_long_lines_are_read_backwards(tmp_path: Path) -> None:
    """Lines larger than what is read at a time are whole."""
    log = open_log(tmp_path)
    write(log, 3, after="x" * 200_000)
    assert [record["number"] for record in log.tail(2)] == [2, 3]
    assert len(open_log(tmp_path).tail(1)[0]["after"]) == 200_000


def test_nothing_can_draw_on_a_terminal(tmp_path: Path) -> None:
    """The file is printable ASCII, whatever was in the values."""
    log = open_log(tmp_path)
    write(log, 1, target="\x1b[31m\u202eevil\nline")
    content = (tmp_path / "audit.log").read_text("ascii")
    assert content.count("\n") == 1
    assert content[:-1].isprintable()
    assert json.loads(content)["target"] == "\x1b[31m\u202eevil\nline"


def test_threads_take_turns(tmp_path: Path) -> None:
    """Lines from several threads make one chain."""
    log = open_log(tmp_path)
    threads = [Thread(target=write, args=(log, 25)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.verify() == {"lines": 100, "ok": True, "first_bad": None}
