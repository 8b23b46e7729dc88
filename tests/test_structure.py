"""What a reader may rely on in ``src/``: one meaning for a class name, no import circles, and not too many modules."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
MAX_MODULES = 260


def module_name(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES: Mapping[str, ast.Module] = {
    module_name(path): ast.parse(path.read_text())
    for package in ("graydns", "txconsul")
    for path in sorted((SRC / package).rglob("*.py"))
}


def imported_modules(tree: ast.Module) -> Iterator[str]:
    """Modules of ours that *tree* imports, anywhere in it: for types and inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in TREES)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                if (name := submodule if submodule in TREES else node.module) in TREES:
                    yield name


def test_a_class_name_is_defined_once() -> None:
    """In graydns and txconsul together, nested and private classes included."""
    names = Counter(node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []


def test_modules_do_not_import_each_other_in_circles() -> None:
    """Not even for types or inside a function, where Python would allow it."""
    graph = {name: set(imported_modules(tree)) - {name} for name, tree in TREES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_packages_do_not_import_each_other_in_circles() -> None:
    """Packages directly below graydns and the modules beside them; import-linter states their order."""
    graph: dict[str, set[str]] = defaultdict(set)
    for name, tree in TREES.items():
        package = ".".join(name.split(".")[:2])
        graph[package] |= {".".join(other.split(".")[:2]) for other in imported_modules(tree)} - {package}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_modules_are_few() -> None:
    """A module that holds less than one idea belongs into the one that it serves. Heads of packages do not count."""
    assert len([path for path in SRC.rglob("*.py") if path.name != "__init__.py"]) <= MAX_MODULES
