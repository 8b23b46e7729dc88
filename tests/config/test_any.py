"""Whatever users write, loading ends in a value or in a ConfigError whose faults have a place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graydns.model.errors import ConfigError, ConfigIssue
from tests.config.files import BARE, MAIN, ZONE, load_main, load_zone

WORDS = sorted({word.strip('"') for word in (MAIN + ZONE + BARE).translate(str.maketrans("{}[]:,", " " * 6)).split()})
KEYS = st.sampled_from((Path(__file__).parent / "keys.txt").read_text().split())
SCALARS = st.none() | st.text(max_size=8) | st.sampled_from(WORDS) | st.integers(-5, 10_000).map(str)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=40,
)


def faults_of(read: Callable[[Path], object], path: Path) -> tuple[ConfigIssue, ...]:
    """The faults that *read* finds in the file at *path*."""
    try:
        read(path)
    except ConfigError as error:
        return error.issues
    return ()


def judge(read: Callable[[Path], object], data: bytes) -> None:
    """Read *data*; every fault must have its place in the file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "zone" / "zone-config.yaml"  # read as either kind of file
        path.parent.mkdir()
        path.write_bytes(data)
        for fault in faults_of(read, path):
            assert str(fault).startswith(f"{path}:{fault.line}:{fault.column}: ")


@given(st.sampled_from([load_main, load_zone]), st.text())
def test_any_text(read: Callable[[Path], object], text: str) -> None:
    """Arbitrary text never raises anything but ConfigError."""
    judge(read, text.encode("utf-8", "surrogatepass"))


@given(st.sampled_from([load_main, load_zone]), st.dictionaries(KEYS, TREES, max_size=8))
def test_any_tree(read: Callable[[Path], object], tree: dict[str, Any]) -> None:
    """Arbitrary trees of the right keys and plausible words never raise anything but ConfigError."""
    judge(read, json.dumps(tree, ensure_ascii=True).encode())


@given(st.sampled_from([MAIN, ZONE]), st.data())
def test_any_edit(text: str, data: st.DataObject) -> None:
    """A good file with a piece cut out, put in or doubled never raises anything but ConfigError."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    piece = data.draw(
        st.sampled_from(["", text[start:end] * 2, "*x", "&x ", "!!int ", "\n", "{", "]", "'", "-1", "💥"])
    )
    judge(load_main if text is MAIN else load_zone, (text[:start] + piece + text[end:]).encode())
