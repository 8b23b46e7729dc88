"""Choices that Hypothesis makes: numbers only, as strategies that are built anew for each choice take most of the time.

They shrink to the first option, and to few.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


@cache
def upto(most: int) -> st.SearchStrategy[int]:
    """0, 1, … *most*."""
    return st.integers(0, most)


def pick(draw: st.DrawFn, options: Sequence[T]) -> T:
    """One of *options*."""
    return options[draw(upto(len(options) - 1))]


def some(draw: st.DrawFn, options: Sequence[T], most: int) -> list[T]:
    """Any of *options*, *most* at most, perhaps some more than once."""
    return [pick(draw, options) for _ in range(draw(upto(most)))] if options else []
