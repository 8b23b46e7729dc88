"""What a reader may rely on in ``src/``: one meaning for a class name, docstrings that name what exists, no import
circles, and not too many modules."""

from __future__ import annotations

import ast
import builtins
import re
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


def documented() -> Iterator[tuple[str, ast.AST, str]]:
    """Classes and functions of ours with a docstring: where it is, the node, the docstring."""
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
                text := ast.get_docstring(node)
            ):
                yield f"{module}.{node.name}", node, text


def names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name):
                yield name.rpartition(".")[2]
            case ast.Constant(value=str(name)):  # of __slots__
                yield name


def test_parameters_in_docstrings_exist() -> None:
    """A word between asterisks is an attribute, a parameter or a name in the class or function; *i* is an index."""
    unknown = [
        f"{place}: *{word}*"
        for place, node, text in documented()
        for word in re.findall(r"(?<![*\w])\*(\w\w+)\*(?!\*)", text)
        if not {word, f"_{word}"} & set(names_in(node))
    ]
    assert unknown == []


def test_exceptions_in_docstrings_exist() -> None:
    """Whatever stands behind "raises" in upper case, or in a tree of errors, is defined in ``src/`` or built in."""
    known = {name for tree in TREES.values() for name in names_in(tree)} | set(dir(builtins))
    unknown = [
        f"{place}: {name}"
        for place, _, text in documented()
        for names in re.findall(r"[Rr]aises ((?:[A-Z]\w+(?:, | or | and )?)+)", text)
        for name in re.findall(r"[A-Z]\w+", names)
        if name not in known
    ]
    for module, tree in TREES.items():
        listed = re.findall(r"[├└]── ([A-Z]\w+Error)", ast.get_docstring(tree) or "")
        unknown += [f"{module}: {name}" for name in listed if name not in known]
    assert unknown == []
