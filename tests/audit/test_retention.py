"""Nothing goes unseen but what the log itself has let go."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import HmacChain
from graydns.audit.line_formats import LOST_MARKER
from graydns.audit.log_files import list_full_files
from graydns.audit.verification import VerificationResult, verify_log_files

SEAL = HmacChain(b"k" * 32)

#: Octets of a file that three or four lines fill.
SMALL = 1500


def opened(folder: Path, keep: int = 3) -> AuditLog:
    """A log in *folder*."""
    return AuditLog(folder / "a", SEAL, lambda: 0.0, lambda: AuditLogBounds(SMALL, keep))


def fill(log: AuditLog, count: int) -> None:
    """Changes, each of which has the HMAC of the line before."""
    for number in range(count):
        log.write("uid:0", "act", f"target{number}", None, {}, "unix", None)


def alone(folder: Path) -> VerificationResult:
    """What is found with nothing but the files and the key."""
    return verify_log_files(folder / "a", SEAL.key)


def remove(folder: Path, count: int) -> int:
    """Remove the oldest *count* full files; the number of the oldest line that is left."""
    for _, path in list_full_files(folder / "a")[:count]:
        path.unlink()
    left = list_full_files(folder / "a")
    return left[0][0] if left else int((folder / "a").read_bytes().split(b",")[0].partition(b":")[2])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_files_removed_while_it_runs(tmp_path: Path, count: int) -> None:
    """At once, and also when others are let go later: then a line says so."""
    log = opened(tmp_path)
    fill(log, 30)
    first = log.verify()["first"]
    assert first > 10
    assert log.verify()["ok"]
    left = remove(tmp_path, count)
    for found in (log.verify(), alone(tmp_path).to_plain()):
        assert (found["ok"], found["first_bad"], found["missing"]) == (False, first, (first, left - 1))
        assert found["why"] == f"lines {first} to {left - 1} are missing"
    fill(log, 5)
    for found in (log.verify(), alone(tmp_path).to_plain()):
        assert not found["ok"]
        assert found["why"].endswith(f"lines {first} to {left - 1} had been removed")
    fill(log, 40)
    assert log.verify()["ok"]  # the line that said so was itself let go


def test_files_removed_while_it_does_not_run(tmp_path: Path) -> None:
    """The next start writes it down, once."""
    log = opened(tmp_path)
    fill(log, 30)
    first = log.verify()["first"]
    log.close()
    left = remove(tmp_path, 2)
    for _ in range(3):
        log = opened(tmp_path)
        fill(log, 1)
        assert log.verify()["why"].endswith(f"lines {first} to {left - 1} had been removed")
        log.close()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("a*"))
    assert content.count(LOST_MARKER) == 1


def test_the_begin_of_a_file_removed(tmp_path: Path) -> None:
    """Up to a line that has the HMAC of the line before it, so that the rest is a chain."""
    log = opened(tmp_path)
    fill(log, 2)
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes().splitlines(keepends=True)[1])
    assert log.verify()["missing"] == alone(tmp_path).missing == (1, 1)
    log.close()
    log = opened(tmp_path)
    assert log.verify()["ok"] is False
    assert LOST_MARKER + b'{"first":1,"last":1}' in (tmp_path / "a").read_bytes()


def test_a_file_under_another_name(tmp_path: Path) -> None:
    """The numbers are those of the lines: no name makes up for a file that is gone."""
    log = opened(tmp_path)
    fill(log, 30)
    (first, path), (second, other) = list_full_files(tmp_path / "a")[:2]
    other.rename(path)
    assert log.verify()["missing"] == (first, second - 1)
    fill(log, 5)
    assert log.verify()["why"].endswith(f"lines {first} to {second - 1} had been removed")


def test_what_cannot_be_removed_leaves_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Younger files stay, too, until it can."""
    log = opened(tmp_path)
    fill(log, 9)
    _, oldest = list_full_files(tmp_path / "a")[0]
    real = Path.unlink

    def unlink(path: Path, **named: Any) -> None:
        if path == oldest:
            raise OSError(1, "Operation not permitted")
        real(path, **named)

    monkeypatch.setattr(Path, "unlink", unlink)
    fill(log, 20)
    assert (log.verify()["ok"], log.verify()["first"]) == (True, 1)
    monkeypatch.undo()
    fill(log, 5)
    assert log.verify()["ok"]
    assert len(list_full_files(tmp_path / "a")) == 3


def test_more_and_fewer_files_kept(tmp_path: Path) -> None:
    """Whatever is configured from one start to the next, the log is whole."""
    for keep in (1, 5, 2, 7, 1):
        log = opened(tmp_path, keep)
        fill(log, 13)
        assert log.verify()["ok"]
        assert alone(tmp_path).ok
        log.close()


@pytest.fixture(scope="module")
def written() -> Any:
    """The folder of a log that has let files go, and the numbers of its oldest and its newest line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = opened(folder)
        for _ in range(20):
            fill(log, 1)
            log.append([b'"qname":"a.test"', b'"qname":"b.test"'])
        log.publish()
        found = log.verify()
        log.close()
        yield folder, found["first"], found["last"]


@given(data=st.data())
def test_whatever_is_cut_out(written: tuple[Path, int, int], data: st.DataObject) -> None:
    """Lines of any one stretch, empty files removed or not, are found without a head, unless they are the last ones;
    with it those, too."""
    folder, first, last = written
    begin = data.draw(st.integers(first, last), "first line")
    end = data.draw(st.integers(begin, last), "last line")
    tidy = data.draw(st.booleans(), "empty files removed")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "log"
        shutil.copytree(folder, copy)
        number = first
        for path in [path for _, path in list_full_files(copy / "a")] + [copy / "a"]:
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for at, line in enumerate(lines, number) if not begin <= at <= end]
            number += len(lines)
            path.write_bytes(b"".join(kept))
            if tidy and not kept and path != copy / "a":
                path.unlink()
        assert end == last or not alone(copy).ok
        log = opened(copy)
        assert not log.verify()["ok"]
        log.close()


def test_a_mark_is_on_the_disk_before_a_file_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk does not take the line, everything stays."""
    log = opened(tmp_path, keep=1)
    real = Path.unlink

    def unlink(path: Path, **named: Any) -> None:
        last = list_full_files(tmp_path / "a")[-1][0]
        assert b'"kept":%d,' % last in (tmp_path / "a").read_bytes()
        real(path, **named)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "unlink", unlink)
    fill(log, 20)
    monkeypatch.undo()
    monkeypatch.setattr("os.write", full)
    for _ in range(10):
        with pytest.raises(OSError, match="space"):
            log.append([b'"pad":"%s"' % (b"x" * 800)])
    monkeypatch.undo()
    assert log.verify()["ok"]
