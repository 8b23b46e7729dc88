"""What is read of KV: faults name the key and the path in its JSON, and nothing else is ever raised."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.control.policy.acceptance import AcceptanceState, evaluate_listing
from graydns.control.policy.policy_errors import InvalidRevisionError, MalformedRevisionError, PolicyError
from graydns.control.policy.revisions import (
    list_revisions,
    read_aborts,
    read_active_candidate,
    read_offs,
    read_revision_candidate,
    read_strategy,
)
from graydns.model.name import from_text
from tests.control.policy.making import NOW, TERMS, published, strategy, unsigned

SEVEN = published(strategy(), None)

FAULTS = [
    ("percent", '{"api.a.test": {"canary": 112.5}}', "api.a.test.canary: found '112.5', expected a percentage"),
    ("percent", '{"api.a.test": {"a": 60, "b": 60}}', "api.a.test: found 120 % in all, expected at most 100 %"),
    ("percent", '{"a..test": {}}', "a..test: found 'a..test', expected a domain name"),
    ("percent", '{"web.a.test": {"canary": 1}}', "web.a.test: found 'weight' beside 'percent'"),
    ("percent", "[]", "document: found an empty list, expected a mapping"),
    ("weight", '{"web.a.test": {"stable": 0}}', "web.a.test: found only weights of 0"),
    ("weight", '{"web.a.test": {"stable": 1.5}}', "web.a.test.stable: found '1.5', expected a whole number from 0"),
    ("whitelist", '{"api.a.test": {"canary": ["qa"]}}', "api.a.test.canary.0: found 'qa', expected client:ID"),
    ("route", '[{"name": "x", "when": {"path": "/"}}]', "0.when.path: found the unknown key 'path'"),
    ("route", '[{"name": "x"}]', "0: found no key 'then'"),
    ("route", '[{"name": "x", "then": {"block": "no"}}]', "0.then.block: found 'no', expected one of nodata"),
    (
        "route",
        '[{"name": "x", "path": "/a", "then": {"block": "nodata"}}]',
        "0: found 'path' without 'when', expected a condition in 'when'",
    ),
    (
        "route",
        '[{"name": "x", "then": {"block": "nodata"}}, {"name": "x", "then": {"block": "nodata"}}]',
        "1.name: found the rule 'x' again",
    ),
    ("meta", "{}", "document: found no key 'format'"),
    ("meta", "null", "document: found null"),
]


@pytest.mark.parametrize(("name", "value", "told"), FAULTS)
def test_faults(name: str, value: str, told: str) -> None:
    """A fault has the key as its file, and the path in the key's JSON."""
    listing = {**SEVEN, f"gray/strategy/7/{name}": value.encode()}
    with pytest.raises(InvalidRevisionError) as caught:
        read_strategy(read_active_candidate(listing, "gray/"))
    key = "weight" if "beside" in told else name
    assert any(str(fault).startswith(f"gray/strategy/7/{key}: {told}") for fault in caught.value.faults), caught.value


def test_all_faults_at_once() -> None:
    """One wrong key does not hide another."""
    listing = {**SEVEN, "gray/strategy/7/weight": b'{"a": 1}', "gray/strategy/7/percent": b'{"b": 1}'}
    with pytest.raises(InvalidRevisionError) as caught:
        read_strategy(read_active_candidate(listing, "gray/"))
    assert {fault.file for fault in caught.value.faults} == {"gray/strategy/7/weight", "gray/strategy/7/percent"}


def test_no_json() -> None:
    """What is no JSON names its key and the place in it; an empty value is none."""
    listing = {**SEVEN, "gray/strategy/7/weight": b'{"a": }', "gray/strategy/7/meta": b""}
    with pytest.raises(MalformedRevisionError) as caught:
        read_active_candidate(listing, "gray/")
    assert [
        str(fault).partition(", expected")[0] for fault in sorted(caught.value.faults, key=lambda one: one.file)
    ] == [
        "gray/strategy/7/meta: document: found expecting value at line 1, column 1",
        "gray/strategy/7/weight: document: found expecting value at line 1, column 7",
    ]


def test_keys_that_nobody_knows() -> None:
    """A key that is none of a revision's is a slip, and refused like one in a file; a folder of the UI is not."""
    with pytest.raises(InvalidRevisionError) as caught:
        read_active_candidate({**SEVEN, "gray/strategy/7/precent": b"{}"}, "gray/")
    assert str(caught.value).startswith("gray/strategy/7/precent: document: found an unknown key, expected one of meta")
    assert read_active_candidate({**SEVEN, "gray/strategy/7/": b""}, "gray/") == read_active_candidate(SEVEN, "gray/")


def test_other_keys_are_not_looked_at() -> None:
    """Other revisions, and whatever else is below the prefix, have no say."""
    more = {
        "gray/strategy/70/route": b"{",
        "gray/strategy/7x/route": b"{",
        "gray/x": b"",
        "other/strategy/active": b"1",
    }
    assert read_active_candidate({**SEVEN, **more}, "gray/") == read_active_candidate(SEVEN, "gray/")
    assert list_revisions({**SEVEN, **more}, "gray/") == (7, 70)


def test_a_revision_that_is_not_active() -> None:
    """Any revision can be read, to be shown or compared."""
    both = {**published(strategy(8), None), **SEVEN}
    assert read_strategy(read_revision_candidate(both, "gray/", 8)) == strategy(8)


def test_offs() -> None:
    """Tenants by name, or all of them; what names none is told, and the folder itself is no key."""
    listing = {"gray/off/one": b"anna", "gray/off/*": b"", "gray/off/": b"", "gray/off/a.b": b"", "gray/off/**": b""}
    assert read_offs(listing, "gray/") == ({"*": "", "one": "anna"}, ("gray/off/**", "gray/off/a.b"))


def test_aborts() -> None:
    """A key below ``abort/`` aborts the service that it names, without a signature; what is no name is told apart."""
    listing = {"gray/abort/API.a.test": b"anna", "gray/abort/": b"", "gray/abort/a..b": b"", "gray/aborted": b""}
    assert read_aborts(listing, "gray/") == ({from_text("api.a.test"): "anna"}, ("gray/abort/a..b",))


KEYS = st.sampled_from(
    [*SEVEN, "gray/strategy/7/signature", "gray/strategy/7/", "gray/strategy/8/meta", "gray/abort/x"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["canary", "a.test"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "when",
                    "then",
                    "path",
                    "version",
                    "records",
                    "revision",
                    "tenant",
                    "key",
                    "algorithm",
                    "signature",
                    "a.test",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)
HELD = (
    st.binary(max_size=20) | VALUES.map(lambda value: json.dumps(value).encode()) | st.sampled_from([*SEVEN.values()])
)


@given(st.dictionaries(KEYS | st.text(max_size=10), HELD, max_size=10), st.booleans())
def test_any_listing(listing: dict[str, bytes], complete: bool) -> None:
    """Whatever is in KV, it is offered without an exception, and what is not taken has a reason."""
    whole = {**SEVEN, **listing} if complete else listing
    for terms in (TERMS, unsigned()):
        state, revision = evaluate_listing(AcceptanceState(), whole, terms, NOW)
        assert (revision is None) == isinstance(state.refused, PolicyError)
        assert str(state.refused)
    assert isinstance(read_aborts(whole, "gray/"), tuple)
    assert isinstance(list_revisions(whole, "gray/"), tuple)


def test_very_many_faults() -> None:
    """The first thousand are told, and how many more there are."""
    listing = {**SEVEN, "gray/strategy/7/weight": json.dumps(dict.fromkeys(map(str, range(3000)), 1)).encode()}
    with pytest.raises(InvalidRevisionError) as caught:
        read_strategy(read_active_candidate(listing, "gray/"))
    assert len(str(caught.value).splitlines()) == 1001
    assert "2000 more faults" in str(caught.value)
