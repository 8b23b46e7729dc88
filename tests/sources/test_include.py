"""$INCLUDE: other files of the zone's folder, and no others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graydns.model.dns_parameters import AAAA, A
from graydns.sources.zone_input import OutsideFolderError, open_inside
from tests.sources.zone_text import faults_of, load_text, texts_of


def test_what_an_include_sets_ends_with_it(tmp_path: Path) -> None:
    """Origin, owner and TTLs are the including file's again afterwards (RFC 1035 section 5.1)."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "hosts").write_text(" AAAA 2001:db8::1\n$TTL 10\na A 192.0.2.1\n$ORIGIN deep\nb A 192.0.2.2\n")
    loaded = load_text(tmp_path, '$TTL 60\nwww A 192.0.2.3\n$INCLUDE "more/hosts" sub\n A 192.0.2.4\nc A 192.0.2.5\n')
    assert texts_of(loaded, "a.sub.zone.test") == {A: (10, (bytes((192, 0, 2, 1)),))}
    assert texts_of(loaded, "b.deep.sub.zone.test") == {A: (10, (bytes((192, 0, 2, 2)),))}
    assert texts_of(loaded, "www.zone.test")[A] == (60, (bytes((192, 0, 2, 3)), bytes((192, 0, 2, 4))))
    assert AAAA in texts_of(loaded, "www.zone.test")
    assert texts_of(loaded, "c.zone.test") == {A: (60, (bytes((192, 0, 2, 5)),))}
    assert [path.name for path in loaded.files] == ["zone.test.zone", "hosts"]


def test_a_fault_names_the_included_file(tmp_path: Path) -> None:
    """With its own line."""
    (tmp_path / "hosts").write_text("\na NOSUCH x\n")
    (fault,) = faults_of(tmp_path, "$INCLUDE hosts\n")
    assert (fault.file, fault.line) == (str(tmp_path / "hosts"), 2)


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/hostname", "link", "folder/link", "missing", "sub", "pipe", "loop"]
)
def test_nothing_outside_the_folder_is_read(tmp_path: Path, path: str) -> None:
    """Neither by dots, nor by an absolute path, nor through links; and nothing that is no file."""
    folder = tmp_path / "zone"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "outside").write_text("a 60 A 192.0.2.1\n")
    (folder / "link").symlink_to("../outside")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").write_text("a 60 A 192.0.2.1\n")
    (folder / "folder").symlink_to("../folder")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    (fault,) = faults_of(folder, f"$INCLUDE {path}\n")
    assert fault.line == 3
    assert fault.expected == "a file in the zone's folder"


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    """As Kubernetes mounts them."""
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "hosts").write_text("a 60 A 192.0.2.1\n")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "hosts").symlink_to("..data/hosts")
    assert texts_of(load_text(tmp_path, "$INCLUDE hosts\n"), "a.zone.test")


def test_a_link_put_in_between_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking and opening somebody may swap a folder for a link; what is opened is still inside."""
    folder = tmp_path / "zone"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "hosts").write_text("inside\n")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "hosts").write_text("outside\n")
    resolve = Path.resolve

    def swap_after(path: Path, strict: bool = False) -> Path:
        resolved = resolve(path, strict)
        if path.name == "hosts":
            (folder / "sub").rename(folder / "old")
            (folder / "sub").symlink_to("../secret")
        return resolved

    monkeypatch.setattr(Path, "resolve", swap_after)
    with pytest.raises(OSError, match="sub"):
        open_inside(folder, "sub/hosts")


def test_the_folder_itself_may_be_behind_a_link(tmp_path: Path) -> None:
    """What counts is where things really are."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "link").symlink_to("real")
    file, target = open_inside(tmp_path / "link", tmp_path / "link" / "file")
    file.close()
    assert target == tmp_path / "real" / "file"
    with pytest.raises(OutsideFolderError):
        open_inside(tmp_path / "link", tmp_path)


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    """A loop is a fault, not a loop."""
    (tmp_path / "a").write_text("$INCLUDE b\n")
    (tmp_path / "b").write_text("$INCLUDE a\n")
    (fault,) = faults_of(tmp_path, "$INCLUDE a\n")
    assert (fault.file, fault.line) == (str(tmp_path / "b"), 1)


@pytest.mark.parametrize("line", ["$INCLUDE", "$INCLUDE a b c", "$INCLUDE ("])
def test_an_include_must_be_whole(tmp_path: Path, line: str) -> None:
    """A file, and perhaps an origin."""
    (tmp_path / "a").write_text("")
    assert faults_of(tmp_path, f"{line}\n")[0].line == 3
