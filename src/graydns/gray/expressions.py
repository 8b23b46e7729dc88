"""Many regular expressions matched against a name at once, by RE2: linear time, whatever a name holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import re2

from graydns.gray.conditions import regex_options

#: Expressions in one RE2 set, and the bytes it may use for its program and its states.
SET_SIZE = 1_000
SET_MEMORY = 64 << 20

#: First in each set: RE2 answers None both to "nothing matches" and to "out of memory", and this always matches.
_ALWAYS = "(?s).*"


class Expressions:
    """A fixed set of expressions, each of which `re2.compile` has taken. Raises re2.error if they are too large."""

    def __init__(self, expressions: Sequence[str]) -> None:
        starts = range(0, len(expressions), SET_SIZE)
        self._sets = [_ExpressionSet(expressions[start : start + SET_SIZE]) for start in starts]

    def matching(self, text: str) -> Iterator[str]:
        """The expressions that match all of *text*."""
        for one in self._sets:
            yield from one.matching(text)


class _ExpressionSet:
    def __init__(self, expressions: Sequence[str]) -> None:
        self._expressions = expressions
        self._set = re2.Set.FullMatchSet(regex_options(memory=SET_MEMORY))
        for expression in (_ALWAYS, *expressions):
            self._set.Add(expression)
        self._set.Compile()

    def matching(self, text: str) -> Iterator[str]:
        found: list[int] | None = self._set.Match(text)
        if found is None:
            yield from (expression for expression in self._expressions if _matches(expression, text))
        else:
            yield from (self._expressions[at - 1] for at in found if at)


def _matches(expression: str, text: str) -> bool:
    return re2.fullmatch(expression, text, regex_options()) is not None
