"""Name patterns, one by one and through the index of a scope."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.name_patterns import NamePattern, PatternForm, parse_pattern, to_presentation
from graydns.gray.network_index import NetworkIndex
from graydns.gray.rule_index import MAX_STAR_SHAPES, NameIndex
from graydns.gray.rules import compile_rule
from graydns.model.errors import PolicyIssues
from graydns.model.name import from_text, labels
from graydns.model.policy import Rule, RuleConditions, RuleOutcome
from tests.conftest import examples
from tests.gray.documented import table
from tests.gray.reference import matches_name

PATTERNS = table("pattern", "matches")


def _labels(text: str) -> tuple[bytes, ...]:
    return tuple(labels(from_text(text)))[:-1]


def _scope(*whens: RuleConditions) -> NameIndex:
    scope = NameIndex(NetworkIndex())
    for at, when in enumerate(whens):
        scope.add(compile_rule(Rule(str(at), when, RuleOutcome(block="nodata")), None, PolicyIssues([])))
    for _ in scope.build():
        pass
    return scope


def _found(scope: NameIndex, text: str) -> list[str]:
    return sorted(rule.name for bundle in scope.matching(from_text(text)) for rule in bundle.rules)


@pytest.mark.parametrize(("text", "matching", "others"), PATTERNS)
def test_documented_patterns(text: str, matching: str, others: str) -> None:
    """The examples of the page hold, for the pattern itself and for the index."""
    pattern, scope = parse_pattern(text), _scope(RuleConditions(name=text))
    for listed, expected in ((matching, True), (others, False)):
        for name in listed.split(", "):
            assert pattern.matches(_labels(name)) is expected, name
            assert bool(_found(scope, name)) is expected, name


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("api.shop.test", PatternForm.EXACT),
        (".", PatternForm.EXACT),
        ("localhost.", PatternForm.EXACT),
        ("api", PatternForm.LABEL),
        ("*.shop.test", PatternForm.SUFFIX),
        ("*.", PatternForm.SUFFIX),
        ("a*b.shop.test", PatternForm.STAR),
        ("a*b", PatternForm.STAR),
        ("*", PatternForm.STAR),
        ("a*b*", PatternForm.GLOB),
        ("a.*.test", PatternForm.GLOB),
        ("*.a*.test", PatternForm.GLOB),
    ],
)
def test_forms(text: str, form: PatternForm) -> None:
    """Patterns are looked up by the cheapest way there is for their form."""
    assert parse_pattern(text).form is form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("API.Shop.Test.", "api.shop.test"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("API*", "api*"),
        ("*.Shop.test.", "*.shop.test"),
        (r"\097pi.shop.test", "api.shop.test"),
    ],
)
def test_normal_form(one: str, other: str) -> None:
    """Spelling makes no difference."""
    assert parse_pattern(one) == parse_pattern(other)


@pytest.mark.parametrize(
    "text", ["", "a..b", ".api", "a*..b", "a?*", r"\*.test", r"a\.*", "x" * 64, "x" * 64 + ".test", r"\042"]
)
def test_impossible_patterns(text: str) -> None:
    """What no name can match, or what cannot be read, is refused."""
    with pytest.raises(ValueError, match=r"pattern|domain name"):
        parse_pattern(text)


PIECES = st.text(alphabet="ab-*", min_size=1, max_size=4)
NAMES = st.lists(st.text(alphabet="ab-", min_size=1, max_size=5), min_size=1, max_size=4).map(".".join)
TEXTS = st.tuples(st.sampled_from(("", "*.")), st.lists(PIECES, min_size=1, max_size=4).map(".".join)).map("".join)


@examples(4)
@given(st.lists(TEXTS, min_size=1, max_size=12), NAMES)
def test_index_finds_what_matches(texts: list[str], name: str) -> None:
    """Pattern, RE2 expression and index agree with a plain regular expression."""
    scope = _scope(*(RuleConditions(name=text) for text in texts))
    expected = [str(at) for at, text in enumerate(texts) if matches_name(text, name)]
    assert _found(scope, name) == sorted(expected)
    assert [str(at) for at, text in enumerate(texts) if parse_pattern(text).matches(_labels(name))] == expected


@examples(3)
@given(TEXTS, TEXTS, NAMES)
def test_patterns_apart_never_meet(one: str, other: str, name: str) -> None:
    """Patterns that cannot meet share no name."""
    first, second = parse_pattern(one), parse_pattern(other)
    if not first.may_overlap(second):
        assert not (first.matches(_labels(name)) and second.matches(_labels(name)))


def test_more_star_places_than_are_tried() -> None:
    """Beyond the places of a star that are tried one by one, patterns go through RE2, and match the same."""
    texts = ["x" * head + "*" + "y" * tail for head in range(12) for tail in range(12)]
    assert len(texts) > MAX_STAR_SHAPES
    scope = _scope(*(RuleConditions(name=text) for text in texts))
    for name in ("xxxxyy.test", "x" * 20 + "y" * 20, "y.test"):
        assert _found(scope, name) == sorted(str(at) for at, text in enumerate(texts) if matches_name(text, name))


def test_regex_is_full_match_without_case() -> None:
    """A regex matches the whole name, upper and lower case alike."""
    scope = _scope(
        RuleConditions(regex="API[0-9].*"),
        RuleConditions(regex="api"),
        RuleConditions(regex="(?:api|www)[.]shop[.]test"),
    )
    assert _found(scope, "api7.shop.test") == ["0"]
    assert _found(scope, "www.shop.test") == ["2"]


def test_name_and_regex_must_both_match() -> None:
    """A rule with a pattern and a regex needs both."""
    scope = _scope(
        RuleConditions(name="*.test", regex="api.*"),
        RuleConditions(name="api.shop.test", regex="x"),
        RuleConditions(regex="api.*"),
    )
    assert _found(scope, "api.shop.test") == ["0", "2"]
    assert _found(scope, "www.shop.test") == []
    assert _found(scope, "api.example") == ["2"]


def test_odd_labels() -> None:
    """A label may hold any byte; a dot or NUL inside one is no border."""
    odd = b"\x05a.b\x00*\x04shop\x04test\0"
    assert to_presentation(odd) == r"a\.b\000*.shop.test"
    scope = _scope(
        RuleConditions(name="*.shop.test"),
        RuleConditions(name="a*.shop.test"),
        RuleConditions(name="a*.*.test"),
        RuleConditions(name="a*b*.shop.test"),
    )
    assert sorted(rule.name for bundle in scope.matching(odd) for rule in bundle.rules) == ["0", "1", "2", "3"]
    assert sorted(rule.name for bundle in scope.matching(b"\x03a.b\x04test\0") for rule in bundle.rules) == []


def test_root_has_no_labels() -> None:
    """The root is matched by its own pattern and by rules without one."""
    scope = _scope(
        RuleConditions(name="*"),
        RuleConditions(name="*."),
        RuleConditions(name="."),
        RuleConditions(),
        RuleConditions(name="a*b*"),
    )
    assert _found(scope, ".") == ["2", "3"]


def test_many_patterns_cost_no_more_lookups() -> None:
    """Of 8,000 patterns in the index, exactly those that match are found."""
    random = Random(1)
    texts = [f"n{at}.shop.test" for at in range(2000)] + [f"n{at}" for at in range(2000)]
    texts += [f"n{at}-*.shop.test" for at in range(2000)] + [f"*.n{at}.shop.test" for at in range(2000)]
    scope = _scope(*(RuleConditions(name=text) for text in texts))
    for at in random.sample(range(2000), 20):
        assert _found(scope, f"n{at}.shop.test") == sorted([str(at), str(2000 + at)])
        assert _found(scope, f"n{at}-x.shop.test") == [str(4000 + at)]
        assert _found(scope, f"a.b.n{at}.shop.test") == [str(6000 + at)]


def test_pattern_texts_are_normal() -> None:
    """A pattern shows itself as it is compared."""
    shown: list[NamePattern] = [parse_pattern(text) for text in ("API.Shop.test.", "Localhost.", "*.Shop.test", "A*B")]
    assert [pattern.text for pattern in shown] == ["api.shop.test", "localhost.", "*.shop.test", "a*b"]
