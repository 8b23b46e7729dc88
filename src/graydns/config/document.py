"""Document: a strict YAML file, read into a tree, that finds the line and column of a path afterwards.

Places are not kept while reading: a file of 100,000 rules would need more memory for them than for
its rules. Only when something is wrong is the file parsed again, for the places that are asked for.

Reads the files that users write, and nothing else that may be found under their names.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import yaml
from attrs import field, frozen

from graydns.config.issues import ValidationIssue, format_value
from graydns.config.yaml_tree import UnreadableYamlError, YamlNode, YamlPosition, YamlTreeBuilder, fold_path
from graydns.model.errors import ConfigError, ConfigIssue, IssuePath

UTF16_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


@frozen
class ParsedDocument:
    """What a file says: *root* is None if it cannot be read to its end. *skipped_paths*: see ``YamlTreeBuilder``."""

    root: dict[str, YamlNode] | None = field(repr=False)
    issues: tuple[ConfigIssue, ...] = ()
    skipped_paths: frozenset[IssuePath] = frozenset()


@frozen
class Document:
    """The bytes of one file. *file*: its path as errors show it."""

    file: str
    data: bytes = field(repr=False)

    def parse(self) -> ParsedDocument:
        """The tree, and what strict YAML refuses in it."""
        tree, refused = self._build_tree(YamlTreeBuilder())
        faults = [issue.to_config_issue(self.file, *mark) for issue, mark in tree.issues]
        if refused is not None:
            return ParsedDocument(None, (*faults, refused))
        if not isinstance(tree.root, dict):
            found = "nothing" if tree.root is None else format_value(tree.root)
            fault = ValidationIssue((), found, "a mapping of keys to values").to_config_issue(self.file, 1, 1)
            return ParsedDocument(None, (*faults, fault))
        return ParsedDocument(tree.root, tuple(faults), frozenset(tree.skipped_paths))

    def locate(self, fault: ConfigIssue) -> ConfigIssue:
        """*fault* with this file, and the line and column of its path or of the nearest place above it."""
        return self.locate_all((ValidationIssue(fault.path, fault.found, fault.expected),))[0]

    def locate_all(self, issues: Iterable[ValidationIssue]) -> list[ConfigIssue]:
        """A ConfigIssue for each of *issues*, in the order of the file; one more parse, however many there are."""
        issues = tuple(issues)
        wanted = (fold_path(issue.path[:size]) for issue in issues for size in range(len(issue.path) + 1))
        tree, _ = self._build_tree(YamlTreeBuilder(frozenset(wanted)))
        faults = [issue.to_config_issue(self.file, *find_position(tree, issue)) for issue in issues]
        return sorted(faults, key=lambda fault: (fault.line, fault.column))

    def _build_tree(self, tree: YamlTreeBuilder) -> tuple[YamlTreeBuilder, ConfigIssue | None]:
        try:
            if self.data.startswith(UTF16_BYTE_ORDER_MARKS):
                raise UnreadableYamlError(ValidationIssue((), "UTF-16", "UTF-8"), YamlPosition(1, 1))
            tree.feed(yaml.parse(self.data, Loader=yaml.CSafeLoader))
        except UnreadableYamlError as error:
            return tree, error.issue.to_config_issue(self.file, *error.position)
        except yaml.YAMLError as error:
            mark = self._error_position(error)
            return tree, ValidationIssue(
                tree.current_path(), describe_yaml_error(error), "well-formed YAML in UTF-8"
            ).to_config_issue(self.file, *mark)
        return tree, None

    def _error_position(self, error: yaml.YAMLError) -> YamlPosition:
        if isinstance(error, yaml.reader.ReaderError):
            before = self.data[: error.position]
            line_start = before.rfind(b"\n") + 1
            return YamlPosition(before.count(b"\n") + 1, len(before[line_start:].decode(errors="replace")) + 1)
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        return YamlPosition(mark.line + 1, mark.column + 1) if mark else YamlPosition(1, 1)


def find_position(tree: YamlTreeBuilder, issue: ValidationIssue) -> YamlPosition:
    """Where *issue* stands: its key or value, else what encloses it."""
    path = issue.path
    if issue.is_key and (mark := tree.key_positions.get(path) or tree.key_positions.get(fold_path(path))):
        return mark
    for size in range(len(path), -1, -1):
        if mark := tree.positions.get(path[:size]) or tree.positions.get(fold_path(path[:size])):
            return mark
    return YamlPosition(1, 1)


def describe_yaml_error(error: yaml.YAMLError) -> str:
    """What the YAML parser says about *error*, in one line."""
    if isinstance(error, yaml.reader.ReaderError):
        return f"a byte or character that may not stand there ({error.reason})"
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    return f"broken YAML ({', '.join(part for part in parts if part) or 'no further detail'})"


#: Octets of a configuration file.
MAX_CONFIG_FILE_BYTES = 64 << 20


def read_document(path: Path) -> Document:
    """The file at *path*; raises ConfigError if it is missing, unreadable, too large or not a regular file."""
    try:
        data = read_regular_file(path)
    except (OSError, ValueError) as error:
        raise ConfigError([ConfigIssue((), describe_os_error(error), "a readable file", str(path))]) from None
    if len(data) > MAX_CONFIG_FILE_BYTES:
        raise ConfigError([ConfigIssue((), "a larger file", f"at most {MAX_CONFIG_FILE_BYTES >> 20} MiB", str(path))])
    return Document(str(path), data)


def read_regular_file(path: Path) -> bytes:
    """The bytes of a regular file, at most one more than allowed; raises OSError, ValueError.

    Opened without blocking, so that a FIFO of that name cannot hold up a start or a reload.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("something else than a regular file")
        return file.read(MAX_CONFIG_FILE_BYTES + 1)


def describe_os_error(error: Exception) -> str:
    """Why a file could not be read, for people."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).lower()


def resolve_inside(path: Path, folder: Path) -> Path:
    """*path*, links followed, if it is an existing regular file inside *folder* (resolved); raises ValueError."""
    try:
        resolved = path.resolve(strict=True)
        regular = resolved.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"{str(path)!r} ({describe_os_error(error)})") from None
    if not resolved.is_relative_to(folder):
        raise ValueError(f"{str(path)!r}, which leads out of {str(folder)!r}")
    if not regular:
        raise ValueError(f"{str(path)!r}, which is not a regular file")
    return resolved
