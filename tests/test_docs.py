"""The pages for people: their links lead somewhere, and what they say of files, layers and commands is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [path for pattern in ("*.md", "docs/**/*.md", "benchmarks/README.md") for path in sorted(ROOT.glob(pattern))]
SOURCE = ROOT / "src" / "graydns"

FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")


def read_prose(page: Path) -> str:
    """The text of *page* without its code."""
    return FENCED.sub("", page.read_text())


def make_anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of the headings of *page*."""
    headings = re.findall(r"^#+ (.*)$", read_prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find_broken_links(page: Path) -> Iterator[str]:
    """Links of *page* within the project that lead to no file or no heading."""
    for link in LINK.findall(read_prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in make_anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    """Relative links only; other sites are not visited."""
    assert list(find_broken_links(page)) == []


def test_readme_is_short() -> None:
    """It is read in two minutes: at most 120 lines."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_layers_are_those_that_are_checked(page: str) -> None:
    """Each row of the table is a layer of ``.importlinter``, in the same order; layers in brackets need not exist."""
    parser = ConfigParser()
    parser.read(ROOT / ".importlinter")
    layers = parser["importlinter:contract:layers"]["layers"].split("\n")
    checked = [set(re.findall(r"(?<!\()\b\w+\b(?!\))", layer)) for layer in layers if layer.strip()]
    _, _, table = read_prose(ROOT / page).partition("from top to bottom")
    rows = re.findall(r"^\| (`.*?) \|", table.partition("\n\n")[0], re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == checked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_are_named_exist(page: Path) -> None:
    """A path such as ``resolve/link.py`` is below src/graydns, the root of the project, or the folder of the page."""
    if page.name == "CHANGELOG.md":
        return
    named = set(re.findall(r"(?<![\w/.])(?:[\w-]+/)*[a-z0-9_]+\.py\b", page.read_text()))
    bases = (SOURCE, SOURCE.parent, ROOT, page.parent)
    assert {name for name in named if not any((base / name).exists() for base in bases)} == set()


def test_commands_of_make_exist() -> None:
    """Every ``make TARGET`` in the pages is a target of the Makefile."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"^\$ (?:\w+=\w+ )?make ([a-z][\w-]*)", page.read_text(), re.MULTILINE)) <= targets, page
