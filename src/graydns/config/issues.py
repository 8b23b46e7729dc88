"""Issues: places of a file that do not fit what is expected there.

Readers know values, not files: they raise Issues with paths relative to what they were given, and
every reader above puts its own key or index in front. ``config.document`` turns the result into Faults.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from attrs import evolve, frozen

from graydns.model.errors import ConfigIssue, IssuePath

#: Characters of a user's text that an error repeats.
MAX_SHOWN_CHARACTERS = 60


@frozen
class ValidationIssue:
    """One issue; *is_key*: it is the key at the end of *path* that is wrong, not the value behind it."""

    path: IssuePath
    found: str
    expected: str
    is_key: bool = False

    def under(self, *head: str | int) -> ValidationIssue:
        """The same issue with *head* in front of its path."""
        return evolve(self, path=head + self.path)

    def to_config_issue(self, file: str, line: int, column: int) -> ConfigIssue:
        """The same with its place in a file."""
        return ConfigIssue(self.path, self.found, self.expected, file, line, column)


class ValidationError(Exception):
    """All issues of one value."""

    def __init__(self, issues: Iterable[ValidationIssue]) -> None:
        self.issues = tuple(issues)
        super().__init__(self.issues)


class IssueCollector(list[ValidationIssue]):
    """Issues of several parts of one value, so that one wrong part does not hide another."""

    @contextmanager
    def collect_at(self, *path: str | int) -> Iterator[None]:
        """Collect the issues raised inside, with *path* in front."""
        try:
            yield
        except ValidationError as error:
            self.extend(issue.under(*path) for issue in error.issues)

    def raise_collected(self) -> None:
        """Raise ValidationError with all issues, if there are any."""
        if self:
            raise ValidationError(self)


def format_value(value: object) -> str:
    """*value* as an error shows it: texts quoted and cut, collections by their kind."""
    match value:
        case None:
            return "null"
        case str():
            return repr(value if len(value) <= MAX_SHOWN_CHARACTERS else value[: MAX_SHOWN_CHARACTERS - 1] + "…")
        case list():
            return "a list" if value else "an empty list"
        case _:
            return "a mapping" if value else "an empty mapping"


def make_validation_error(value: object, expected: str) -> ValidationError:
    """The error for one value that is not what is *expected*."""
    return ValidationError((ValidationIssue((), format_value(value), expected),))
