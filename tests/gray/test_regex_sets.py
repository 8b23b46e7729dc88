"""Many expressions at once."""

from __future__ import annotations

import pytest
import re2

from graydns.gray import rule_index
from graydns.gray.rule_index import MAX_SET_EXPRESSIONS, RegexSets


def test_all_matching_are_found_in_order() -> None:
    """Across the borders of RE2 sets, every expression that matches all of the text is found."""
    listed = [f"n{at}[.].*" for at in range(MAX_SET_EXPRESSIONS + 5)] + [".*", "n7"]
    made = RegexSets(listed)
    assert list(made.matching("n7.shop.test")) == ["n7[.].*", ".*"]
    assert list(made.matching(f"n{MAX_SET_EXPRESSIONS + 1}.shop.test")) == [f"n{MAX_SET_EXPRESSIONS + 1}[.].*", ".*"]


def test_no_expressions_match_nothing() -> None:
    """An empty collection is no special case."""
    assert list(RegexSets([]).matching("a")) == []


def test_out_of_memory_is_not_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where RE2 gives up on a set, its expressions are tried one by one."""
    listed = [f"(?:a|b|c){{1,20}}x{at}.*" for at in range(60)]

    class Exhausted:
        """A set whose memory is used up."""

        def Match(self, text: str) -> None:
            """What RE2 says then."""

    made = RegexSets(listed)
    monkeypatch.setattr(made._sets[0], "_set", Exhausted())
    assert list(made.matching("abcx7.test")) == [listed[7]]


def test_too_large_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expressions that do not fit into the memory of a set are refused when it is made."""
    monkeypatch.setattr(rule_index, "MAX_SET_BYTES", 1 << 16)
    with pytest.raises(re2.error):
        RegexSets([f"x{at}[a-z]{{1,60}}" for at in range(500)])
