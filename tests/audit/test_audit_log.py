"""The audit log is on the disk, in order, and shows when somebody changed it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import INITIAL_HMAC, AuditHead, HmacChain, PublishedHead
from graydns.audit.verification import verify_log_files

NOW = 1_700_000_000.0

KEY = HmacChain(b"k" * 32)


def open_log(folder: Path, size: int = 16 << 20, keep: int = 5) -> AuditLog:
    """A log in *folder*, at one moment."""
    return AuditLog(folder / "audit.log", KEY, lambda: NOW, lambda: AuditLogBounds(size, keep))


def verdict(found: dict[str, Any]) -> dict[str, Any]:
    """As far as most tests look at it."""
    return {key: found[key] for key in ("first", "lines", "ok", "first_bad")}


def write(log: AuditLog, count: int, **fields: Any) -> None:
    for number in range(count):
        line = {"actor": "uid:0", "action": "service percent", "target": "api.test", "before": {"canary": number},
                "after": {"canary": number + 1}, "origin": "unix", "tenant": "t-demo"}  # fmt: skip
        log.write(**(line | fields))


def test_lines_are_read_as_written(tmp_path: Path) -> None:
    """A line tells who did what to what, from where, when, and what was there before."""
    log = open_log(tmp_path)
    write(log, 1)
    line = log.tail(5)[0]
    assert KEY.verify_line(INITIAL_HMAC, (tmp_path / "audit.log").read_bytes()[:-1])
    assert log.head == AuditHead(1, line["hmac"])
    assert log.tail(5) == [
        {
            "number": 1,
            "kept": 1,
            "at": "2023-11-14T22:13:20.000+00:00",
            "actor": "uid:0",
            "origin": "unix",
            "tenant": "t-demo",
            "action": "service percent",
            "target": "api.test",
            "before": {"canary": 0},
            "after": {"canary": 1},
            "previous": INITIAL_HMAC,
            "hmac": line["hmac"],
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
    assert verdict(log.verify()) == {"first": 1, "lines": 6, "ok": True, "first_bad": None}


@pytest.mark.parametrize(
    ("change", "first_bad"),
    [
        (lambda lines: [*lines[:3], lines[3].replace(b"uid:0", b"uid:1"), *lines[4:]], 4),
        (lambda lines: [*lines[:3], *lines[4:]], 4),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:5], b"not JSON\n", *lines[5:]], 6),
        (lambda lines: [*lines, lines[-1]], 11),
    ],
)
def test_changes_show(tmp_path: Path, change: Any, first_bad: int) -> None:
    """A line altered, taken out, moved, put in or repeated breaks the chain there."""
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
    assert verdict(log.verify()) == {"first": 1, "lines": 4, "ok": True, "first_bad": None}


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
    assert verdict(log.verify()) == {"first": 1, "lines": 2, "ok": True, "first_bad": None}


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


#: Any text, lone surrogates included, and whatever JSON can be made of it, and a little more.
TEXTS = st.text(st.characters(codec=None, categories=("L", "N", "P", "Z", "Cc", "Cf", "Cs")), max_size=300)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, VALUES, VALUES, TEXTS, st.none() | TEXTS), min_size=1, max_size=5))
def test_nothing_can_break_out_of_a_line(changes: list[Any]) -> None:
    """Whatever actors, targets and arguments hold: each change is one line of JSON in printable ASCII, in the chain."""
    with tempfile.TemporaryDirectory() as name:
        log = open_log(Path(name))
        for change in changes:
            log.write(*change)
        lines = (Path(name) / "audit.log").read_bytes().decode("ascii").split("\n")
        assert lines.pop() == ""
        for line, change in zip(lines, changes, strict=True):
            assert line.isprintable()
            found = json.loads(line, parse_constant=pytest.fail)
            assert [found[key] for key in ("actor", "action", "target", "origin", "tenant")] == [
                *change[:3], *change[5:]
            ]  # fmt: skip
        assert log.verify()["ok"]
        assert len(log.tail(10)) == len(changes)
        log.close()


def test_threads_take_turns(tmp_path: Path) -> None:
    """Lines from several threads make one chain."""
    log = open_log(tmp_path)
    threads = [Thread(target=write, args=(log, 25)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdict(log.verify()) == {"first": 1, "lines": 100, "ok": True, "first_bad": None}


#: Octets that three lines of ``write`` fill, and four do not fit into.
THREE = 1500


def names(folder: Path) -> list[str]:
    """Its files, but for the head."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".head")


def test_full_files_are_put_aside(tmp_path: Path) -> None:
    """Reading and checking go over all files, as if they were one; a restart goes on in the last."""
    log = open_log(tmp_path, THREE)
    write(log, 5)
    log.close()
    log = open_log(tmp_path, THREE)
    write(log, 3)
    assert names(tmp_path) == ["audit.log", "audit.log.0000000001", "audit.log.0000000004"]
    assert all((tmp_path / name).stat().st_mode & 0o777 == 0o600 for name in names(tmp_path))
    assert [record["number"] for record in log.tail(5)] == [4, 5, 6, 7, 8]
    assert [record["number"] for record in log.tail(100)] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert verdict(log.verify()) == {"first": 1, "lines": 8, "ok": True, "first_bad": None}


def test_old_files_go(tmp_path: Path) -> None:
    """So many are kept and no more, and the chain is checked from the oldest line that there is."""
    log = open_log(tmp_path, THREE, keep=2)
    write(log, 14)
    assert names(tmp_path) == ["audit.log", "audit.log.0000000007", "audit.log.0000000010"]
    assert verdict(log.verify()) == {"first": 7, "lines": 8, "ok": True, "first_bad": None}
    assert log.tail(100)[0]["number"] == 7
    log = open_log(tmp_path, THREE, keep=1)
    assert verdict(log.verify()) == {"first": 7, "lines": 8, "ok": True, "first_bad": None}
    write(log, 2)
    assert verdict(log.verify()) == {"first": 13, "lines": 4, "ok": True, "first_bad": None}


@pytest.mark.parametrize(
    ("gone", "found"),
    [
        (["audit.log.0000000004"], {"first": 1, "lines": 5, "ok": False, "first_bad": 4, "missing": (4, 6)}),
        (["audit.log.0000000001"], {"first": 4, "lines": 5, "ok": False, "first_bad": 1, "missing": (1, 3)}),
        (
            ["audit.log.0000000001", "audit.log.0000000004"],
            {"first": 7, "lines": 2, "ok": False, "first_bad": 1, "missing": (1, 6)},
        ),
    ],
)
def test_a_file_that_is_gone_shows_where_it_was(tmp_path: Path, gone: list[str], found: dict[str, Any]) -> None:
    """One from the middle, the oldest, or all but the one being written; without a server and a head, too."""
    log = open_log(tmp_path, THREE)
    write(log, 8)
    for name in gone:
        (tmp_path / name).unlink()
    verified = log.verify()
    assert verdict(verified) | {"missing": verified["missing"]} == found
    alone = verify_log_files(tmp_path / "audit.log", KEY.key)
    assert (alone.first_bad, alone.missing) == (found["first_bad"], found["missing"])


def test_changes_in_old_files_show(tmp_path: Path) -> None:
    """A line altered in a full file is told by its number."""
    log = open_log(tmp_path, THREE)
    write(log, 8)
    path = tmp_path / "audit.log.0000000004"
    path.write_bytes(path.read_bytes().replace(b'"uid:0"', b'"uid:1"'))
    assert log.verify()["first_bad"] == 4


class Crash(BaseException):
    """Power has failed."""


@pytest.mark.parametrize("call", ["rename", "open", "fsync", "unlink", "write"])
@pytest.mark.parametrize("done", [False, True])
def test_a_crash_at_any_moment_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, done: bool
) -> None:
    """Just before or just after any step of a rotation: what was confirmed is there, and the chain goes on."""
    log = open_log(tmp_path, THREE, keep=1)
    write(log, 6)
    real = getattr(os, call)

    def crash(*arguments: Any, **named: Any) -> Any:
        if done:
            real(*arguments, **named)
        raise Crash

    monkeypatch.setattr(os, call, crash)
    with pytest.raises(Crash):
        write(log, 1)
    monkeypatch.undo()
    log.close()
    log = open_log(tmp_path, THREE, keep=1)
    assert log.verify()["ok"]
    numbers = [record["number"] for record in log.tail(4)]
    assert numbers in ([3, 4, 5, 6], [4, 5, 6], [4, 5, 6, 7])
    write(log, 1)
    assert log.verify()["ok"]
    assert log.tail(1)[0]["number"] == numbers[-1] + 1


def test_where_no_new_file_can_be_made_the_change_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log stays as it was, and goes on when there is room."""
    log = open_log(tmp_path, THREE)
    write(log, 3)
    real = os.open

    def full(path: Any, flags: int, *more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="space"):
        write(log, 1)
    monkeypatch.undo()
    assert names(tmp_path) == ["audit.log"]
    assert log.failures == 1
    write(log, 1)
    assert verdict(log.verify()) == {"first": 1, "lines": 4, "ok": True, "first_bad": None}


def test_reading_while_files_turn(tmp_path: Path) -> None:
    """Checks beside writers see a whole log each time."""
    log = open_log(tmp_path, THREE, keep=3)
    thread = Thread(target=write, args=(log, 200))
    thread.start()
    while thread.is_alive():
        assert log.verify()["ok"]
        numbers = [record["number"] for record in log.tail(5)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
    thread.join()
    assert log.tail(1)[0]["number"] == 200


def fields(number: int) -> bytes:
    """A line of an answer."""
    return b'"qname":"host%d.test"' % number


def test_changes_and_answers_are_one_chain(tmp_path: Path) -> None:
    """The tail has the changes only, however many answers stand between, and the names in those cannot pass for one."""
    log = open_log(tmp_path, 1 << 16, keep=100)
    for number in range(100):
        log.append([fields(each) for each in range(50)])
        log.append([b'"qname":%s' % json.dumps('"action":"x').encode()])
        if number % 33 == 0:
            write(log, 1, target=f"t{number}")
    assert [record["target"] for record in log.tail(3)] == ["t33", "t66", "t99"]
    found = log.verify()
    assert (found["ok"], found["lines"], found["last"]) == (True, 5104, 5104)


def test_a_day_ends_a_file(tmp_path: Path) -> None:
    """With the first line of the next day of UTC, not before, a restart in between included; no file is empty."""
    now = [86_400.0 * 20_000]
    bounds = AuditLogBounds(1 << 20, 5, daily=True)

    def opened() -> AuditLog:
        return AuditLog(tmp_path / "audit.log", KEY, lambda: now[0], lambda: bounds)

    log = opened()
    log.append([fields(1)])
    now[0] += 86_399
    log.append([fields(2)])
    now[0] += 1
    assert names(tmp_path) == ["audit.log"]
    log.append([fields(3)])
    assert names(tmp_path) == ["audit.log", "audit.log.0000000001"]
    log.close()
    os.utime(tmp_path / "audit.log", (now[0], now[0]))
    now[0] += 5 * 86_400
    log = opened()
    log.append([fields(4)])
    assert names(tmp_path) == ["audit.log", "audit.log.0000000001", "audit.log.0000000003"]
    assert verdict(log.verify()) == {"first": 1, "lines": 4, "ok": True, "first_bad": None}


def cut(path: Path, lines: int) -> None:
    """Leave the first *lines*."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))


def test_what_was_published_cannot_be_cut_off(tmp_path: Path) -> None:
    """While it runs the check says so; at the next start it is noted in the log for good, once."""
    log = open_log(tmp_path)
    log.append([fields(each) for each in range(10)])
    assert log.publish()[0].number == 10
    assert log.verify()["published"] == 10
    cut(tmp_path / "audit.log", 7)
    found = log.verify()
    assert (found["ok"], found["first_bad"]) == (False, 8)
    assert found["why"] == "lines 8 to 10 are missing: the log was published up to there"
    log.close()
    for _ in range(2):
        log = open_log(tmp_path)
        log.append([fields(8)])
        log.publish()
        found = log.verify()
        assert (found["ok"], found["first_bad"], found["why"]) == (False, 8, "before line 8 the log was cut off")
        log.close()
    content = (tmp_path / "audit.log").read_bytes()
    assert content.count(b'"lost":{"number":10,') == 1


def test_a_chain_made_anew_is_not_the_published_one(tmp_path: Path) -> None:
    """Whoever has the key can make another chain, but not another head."""
    log = open_log(tmp_path)
    log.append([fields(each) for each in range(10)])
    log.publish()
    (tmp_path / "audit.log").unlink()
    head = tmp_path / "audit.log.head"
    head.rename(tmp_path / "saved")
    forged = open_log(tmp_path)
    forged.append([fields(each + 1) for each in range(12)])
    assert forged.verify()["ok"]
    (tmp_path / "saved").rename(head)
    assert forged.verify()["why"] == "line 10 is not the one that was published"
    assert open_log(tmp_path).verify()["why"] == "before line 13 the log was cut off"


def test_heads_of_files_that_are_gone_prove_nothing(tmp_path: Path) -> None:
    """A head older than the oldest file is passed over, whether at a start or at a check."""
    log = open_log(tmp_path, THREE, keep=1)
    log.append([fields(0)])
    head, text = log.publish()
    write(log, 20)
    log.check_published_head(text)
    log.close()
    (tmp_path / "audit.log.head").write_bytes(text)
    log = open_log(tmp_path, THREE, keep=1)
    assert log.verify()["ok"]
    found = verify_log_files(tmp_path / "audit.log", KEY.key, [PublishedHead(head)])
    assert (found.ok, found.first > 1, found.published) == (True, True, None)
    assert "nobody can tell whether lines after 21 were cut off" in found.note


def test_the_oldest_file_is_checked_without_the_one_before(tmp_path: Path) -> None:
    """Its first line cannot be altered either."""
    log = open_log(tmp_path, THREE, keep=1)
    write(log, 9)
    oldest = next(path for path in tmp_path.iterdir() if path.suffix.isdigit() or path.name[-1].isdigit())
    first = log.verify()["first"]
    assert first > 1
    content = oldest.read_bytes()
    oldest.write_bytes(content.replace(b'"uid:0"', b'"uid:1"', 1))
    assert log.verify()["first_bad"] == first
    oldest.write_bytes(content.replace(b'"previous":"', b'"previous":"0', 1))
    assert log.verify()["first_bad"] == first


def test_answers_and_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several lines are written whole or not at all."""
    log = open_log(tmp_path)
    log.append([fields(1)])
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:-20]))
    with pytest.raises(OSError, match="space"):
        log.append([fields(2), fields(3)])
    monkeypatch.undo()
    log.append([fields(4)])
    assert (log.failures, log.verify()["lines"], log.verify()["ok"]) == (0, 2, True)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"number":"1","hmac":""}', b"{"])
def test_a_head_that_makes_no_sense_is_an_error(tmp_path: Path, content: bytes) -> None:
    """It is not passed over: somebody may have wanted that."""
    (tmp_path / "audit.log.head").write_bytes(content)
    with pytest.raises(ValueError, match=r"audit\.log\.head: it is not a published head"):
        open_log(tmp_path)
