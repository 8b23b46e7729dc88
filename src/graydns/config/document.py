"""Document: a strict YAML file, read into a tree, that finds the line and column of a path afterwards.

Places are not kept while reading: a file of 100,000 rules would need more memory for them than for
its rules. Only when something is wrong is the file parsed again, for the places that are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

import yaml
from attrs import field, frozen

from graydns.config.misfit import Misfit, shown
from graydns.config.tree import Mark, Node, Refused, Tree, folded
from graydns.model.errors import ConfigIssue, IssuePath

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@frozen
class Reading:
    """What a file says: *root* is None if it cannot be read to its end. *skipped*: see ``Tree``."""

    root: dict[str, Node] | None = field(repr=False)
    faults: tuple[ConfigIssue, ...] = ()
    skipped: frozenset[IssuePath] = frozenset()


@frozen
class Document:
    """The bytes of one file. *file*: its path as errors show it."""

    file: str
    data: bytes = field(repr=False)

    def read(self) -> Reading:
        """The tree, and what strict YAML refuses in it."""
        tree, refused = self._build(Tree())
        faults = [misfit.fault(self.file, *mark) for misfit, mark in tree.misfits]
        if refused is not None:
            return Reading(None, (*faults, refused))
        if not isinstance(tree.root, dict):
            found = "nothing" if tree.root is None else shown(tree.root)
            fault = Misfit((), found, "a mapping of keys to values").fault(self.file, 1, 1)
            return Reading(None, (*faults, fault))
        return Reading(tree.root, tuple(faults), frozenset(tree.skipped))

    def locate(self, fault: ConfigIssue) -> ConfigIssue:
        """*fault* with this file, and the line and column of its path or of the nearest place above it."""
        return self.locate_all((Misfit(fault.path, fault.found, fault.expected),))[0]

    def locate_all(self, misfits: Iterable[Misfit]) -> list[ConfigIssue]:
        """Faults for all *misfits*, in the order of the file; one more parse, however many there are."""
        misfits = tuple(misfits)
        wanted = (folded(misfit.path[:size]) for misfit in misfits for size in range(len(misfit.path) + 1))
        tree, _ = self._build(Tree(frozenset(wanted)))
        faults = [misfit.fault(self.file, *place(tree, misfit)) for misfit in misfits]
        return sorted(faults, key=lambda fault: (fault.line, fault.column))

    def _build(self, tree: Tree) -> tuple[Tree, ConfigIssue | None]:
        try:
            if self.data.startswith(UTF16_MARKS):
                raise Refused(Misfit((), "UTF-16", "UTF-8"), Mark(1, 1))
            tree.feed(yaml.parse(self.data, Loader=yaml.CSafeLoader))
        except Refused as error:
            return tree, error.misfit.fault(self.file, *error.mark)
        except yaml.YAMLError as error:
            mark = self._mark_of(error)
            return tree, Misfit(tree.path(), described(error), "well-formed YAML in UTF-8").fault(self.file, *mark)
        return tree, None

    def _mark_of(self, error: yaml.YAMLError) -> Mark:
        if isinstance(error, yaml.reader.ReaderError):
            before = self.data[: error.position]
            line_start = before.rfind(b"\n") + 1
            return Mark(before.count(b"\n") + 1, len(before[line_start:].decode(errors="replace")) + 1)
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        return Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)


def place(tree: Tree, misfit: Misfit) -> Mark:
    """Where *misfit* stands: its key or value, else what encloses it."""
    path = misfit.path
    if misfit.of_key and (mark := tree.key_marks.get(path) or tree.key_marks.get(folded(path))):
        return mark
    for size in range(len(path), -1, -1):
        if mark := tree.marks.get(path[:size]) or tree.marks.get(folded(path[:size])):
            return mark
    return Mark(1, 1)


def described(error: yaml.YAMLError) -> str:
    """What the YAML parser says about *error*, in one line."""
    if isinstance(error, yaml.reader.ReaderError):
        return f"a byte or character that may not stand there ({error.reason})"
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    return f"broken YAML ({', '.join(part for part in parts if part) or 'no further detail'})"
