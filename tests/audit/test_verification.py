"""Whatever is done to the lines is found, by anybody who has the key and the last head."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import (
    AuditHead,
    HmacChain,
    PublishedHead,
    load_audit_key,
    parse_line_head,
    read_audit_key,
)
from graydns.audit.verification import VerificationResult, verify_log_files

KEY = b"k" * 32


def make(folder: Path, count: int = 12, size: int = 1100, keep: int = 50) -> tuple[list[bytes], AuditHead]:
    """The files of a log of *count* lines, oldest first, in some files; its head."""
    log = AuditLog(folder / "a", HmacChain(KEY), lambda: 0.0, lambda: AuditLogBounds(size, keep))
    for number in range(count):
        if number % 4 == 0:
            log.write("uid:0", "act", f"target{number}", None, {}, "unix", None)
        else:
            log.append([b'"qname":"host%d.test"' % number])
    log.close()
    paths = sorted(folder.glob("a.0*")) + [folder / "a"]
    assert len(paths) > 2
    return [path.read_bytes() for path in paths], log.head


def check(folder: Path, head: AuditHead) -> VerificationResult:
    return verify_log_files(folder / "a", KEY, (PublishedHead(head),))


def put(folder: Path, files: Sequence[bytes]) -> None:
    for path, content in zip(sorted(folder.glob("a.0*")) + [folder / "a"], files, strict=True):
        path.write_bytes(content)


@given(st.data())
def test_every_octet_counts(data: st.DataObject) -> None:
    """Any octet that is another one is found, in the line where it is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, head = make(folder)
        assert check(folder, head).ok
        which = data.draw(st.integers(0, len(files) - 1))
        at = data.draw(st.integers(0, len(files[which]) - 1))
        other = data.draw(st.integers(0, 255).filter(lambda octet: octet != files[which][at]))
        altered = files[which][:at] + bytes((other,)) + files[which][at + 1 :]
        put(folder, [*files[:which], altered, *files[which + 1 :]])
        found = check(folder, head)
        line = b"".join(files[:which]).count(b"\n") + files[which][:at].count(b"\n") + 1
        assert not found.ok
        assert found.first_bad == line


@given(st.data())
def test_every_line_counts(data: st.DataObject) -> None:
    """Lines taken out, repeated, moved or cut off are found, whatever file they are in."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, head = make(folder)
        lines = [content.splitlines(keepends=True) for content in files]
        number = sum(map(len, lines))
        chosen = data.draw(st.lists(st.integers(0, number - 1), max_size=number + 2))
        flat = [line for content in lines for line in content]
        if chosen == list(range(number)):
            return
        less = len(files) - 1
        cuts = sorted(data.draw(st.lists(st.integers(0, len(chosen)), min_size=less, max_size=less)))
        put(folder, [b"".join(flat[i] for i in chosen[a:b]) for a, b in pairwise((0, *cuts, len(chosen)))])
        assert not check(folder, head).ok


def test_another_key_fits_nothing(tmp_path: Path) -> None:
    """That is what is said, and not that a line was altered, with a head and without."""
    _, head = make(tmp_path)
    for published in ((), (PublishedHead(head),), (PublishedHead(head, sealed=False),)):
        found = verify_log_files(tmp_path / "a", b"l" * 32, published)
        assert (found.ok, found.first_bad, found.missing) == (False, 1, None)
        assert found.why == "no line of 12 fits the key: they were sealed with another one"


def test_a_log_without_seals_is_of_an_older_version(tmp_path: Path) -> None:
    """Its lines are not called altered."""
    (tmp_path / "a").write_text('{"number": 1, "previous": "00"}\n')
    found = verify_log_files(tmp_path / "a", KEY)
    assert (found.ok, found.why) == (False, "no line has a seal: it is of an older version, or no audit log")


def test_dropped_lines_are_counted(tmp_path: Path) -> None:
    """What the log says of itself; a name that looks like that counts for nothing."""
    log = AuditLog(tmp_path / "a", HmacChain(KEY), lambda: 0.0, lambda: AuditLogBounds(1 << 20, 1))
    log.append([b'"dropped":7,"where":"queue"', b'"qname":"\\"dropped\\":1"', b'"dropped":4,"where":"disk"'])
    assert verify_log_files(tmp_path / "a", KEY) == VerificationResult(
        1, 3, lines=3, dropped=11, note="without a head nobody can tell whether lines after 3 were cut off"
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"number":1,"hmac":"' + b"0" * 63 + b'"}',
        b'{"number":1,"hmac":"' + b"G" * 64 + b'"}',
        b'{"number":-1,"hmac":"' + b"0" * 64 + b'"}',
        b'{"number":1}',
        b'{"number":' + b"9" * 40 + b',"hmac":"' + b"0" * 64 + b'"}',
    ],
)
def test_what_is_no_line(line: bytes) -> None:
    """It has no head."""
    assert parse_line_head(line) is None


def test_the_key_is_made_once_and_nobody_elses(tmp_path: Path) -> None:
    """Mode 0600; the same at every start; anything else in the file is an error."""
    path = tmp_path / "audit.key"
    key = load_audit_key(path)
    assert (len(key), load_audit_key(path), read_audit_key(path)) == (32, key, key)
    assert path.stat().st_mode & 0o777 == 0o600
    for wrong in ("", "00" * 31, "zz" * 32, "00" * 33, "é"):
        path.write_text(wrong)
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            load_audit_key(path)
