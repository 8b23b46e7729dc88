"""Misfits: places of a file that do not fit what is expected there.

Readers know values, not files: they raise Misfits with paths relative to what they were given, and
every reader above puts its own key or index in front. ``config.document`` turns the result into Faults.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from attrs import evolve, frozen

from graydns.model.errors import ConfigIssue, IssuePath

#: Characters of a user's text that an error repeats.
SHOWN = 60


@frozen
class Misfit:
    """One misfit; *of_key*: it is the key at the end of *path* that is wrong, not the value behind it."""

    path: IssuePath
    found: str
    expected: str
    of_key: bool = False

    def under(self, *head: str | int) -> Misfit:
        """The same misfit seen from further out."""
        return evolve(self, path=head + self.path)

    def fault(self, file: str, line: int, column: int) -> ConfigIssue:
        """The same with its place in a file."""
        return ConfigIssue(self.path, self.found, self.expected, file, line, column)


class Misfits(Exception):
    """All misfits of one value."""

    def __init__(self, misfits: Iterable[Misfit]) -> None:
        self.misfits = tuple(misfits)
        super().__init__(self.misfits)


class Gathering(list[Misfit]):
    """Misfits of several parts of one value, so that one wrong part does not hide another."""

    @contextmanager
    def at(self, *path: str | int) -> Iterator[None]:
        """Take the misfits raised inside, with *path* in front."""
        try:
            yield
        except Misfits as error:
            self.extend(misfit.under(*path) for misfit in error.misfits)

    def close(self) -> None:
        """Raise what was gathered, if anything was."""
        if self:
            raise Misfits(self)


def shown(value: object) -> str:
    """*value* as an error shows it: texts quoted and cut, collections by their kind."""
    match value:
        case None:
            return "null"
        case str():
            return repr(value if len(value) <= SHOWN else value[: SHOWN - 1] + "…")
        case list():
            return "a list" if value else "an empty list"
        case _:
            return "a mapping" if value else "an empty mapping"


def misfits(value: object, expected: str) -> Misfits:
    """The error for one value that is not what is *expected*."""
    return Misfits((Misfit((), shown(value), expected),))
