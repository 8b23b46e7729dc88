"""Shares between versions: size, stickiness, and who moves when they change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.client_key import BUCKET_COUNT, bucket_threshold
from graydns.gray.split import Split, compile_split
from graydns.model.errors import ConfigIssue, PolicyIssues
from graydns.model.policy import ServicePolicy
from tests.gray.making import STABLE, service

NAMES = ("stable", "a", "b", "c", "d", "e")
VERSIONS = dict.fromkeys(NAMES, STABLE)
SHARES = st.integers(0, BUCKET_COUNT)


def _split(**ways: Mapping[str, object]) -> Split:
    faults: list[ConfigIssue] = []
    split = compile_split(ServicePolicy(versions=VERSIONS, default="stable", **ways), PolicyIssues(faults))  # type: ignore[arg-type]
    assert not faults
    return split


def _owners(split: Split, edges: list[int]) -> list[str]:
    return [split.find_version(bucket_threshold(edge)) for edge in edges]


def _moved(before: Split, after: Split) -> Counter[tuple[str, str]]:
    """Buckets by (old version, new version), unmoved ones left out."""
    edges = sorted({segment.start for split in (before, after) for segment in split.segments} | {BUCKET_COUNT})
    moved: Counter[tuple[str, str]] = Counter()
    for start, end in pairwise(edges):
        one, other = before.find_version(bucket_threshold(start)), after.find_version(bucket_threshold(start))
        if one != other:
            moved[one, other] += end - start
    return moved


def _sizes(split: Split) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for start, end, version in split.segments:
        sizes[version] += end - start
    return sizes


@given(SHARES)
def test_percent_is_exact(share: int) -> None:
    """A canary has exactly its share of the buckets, from bucket 0 on."""
    split = _split(percent={"a": share})
    assert _sizes(split)["a"] == share
    assert sum(_sizes(split).values()) == BUCKET_COUNT
    if share > 0:
        assert _owners(split, [0, share - 1]) == ["a", "a"]
    if share < BUCKET_COUNT:
        assert _owners(split, [share, BUCKET_COUNT - 1]) == ["stable", "stable"]


@given(SHARES, SHARES)
def test_percent_grows_and_shrinks_without_crossing(one: int, other: int) -> None:
    """Growing moves clients to the canary only, shrinking only back."""
    small, large = sorted((one, other))
    before, after = _split(percent={"a": small}), _split(percent={"a": large})
    assert set(_moved(before, after)) <= {("stable", "a")}
    assert set(_moved(after, before)) <= {("a", "stable")}


@given(st.lists(SHARES, min_size=3, max_size=3).map(sorted))
def test_two_canaries_grow_towards_each_other(cuts: list[int]) -> None:
    """Growing one of two canaries never moves a client of the other."""
    low, middle, high = cuts
    before = _split(percent={"a": low, "b": BUCKET_COUNT - high})
    after = _split(percent={"a": middle, "b": BUCKET_COUNT - high})
    assert set(_moved(before, after)) <= {("stable", "a")}
    grown = _split(percent={"a": low, "b": BUCKET_COUNT - middle})
    assert set(_moved(before, grown)) <= {("stable", "b")}


def test_ranges_are_taken_as_written() -> None:
    """Explicit ranges own their buckets, the default every other."""
    split = _split(ranges={"a": ((0, 10), (50, 60)), "b": ((10, 20),), "c": ((BUCKET_COUNT - 1, BUCKET_COUNT),)})
    assert _owners(split, [0, 9, 10, 19, 20, 49, 50, 59, 60, BUCKET_COUNT - 2, BUCKET_COUNT - 1]) == (
        ["a", "a", "b", "b", "stable", "stable", "a", "a", "stable", "stable", "c"]
    )


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_weights_of_two_are_percent(stable: int, canary: int) -> None:
    """Weights of a canary and the default lay the same buckets as percent does."""
    total = stable + canary
    if total:
        share = round(canary * BUCKET_COUNT / total)
        assert (
            _moved(_split(weights={"stable": stable, "a": canary}), _split(percent={"a": share})).total() <= 1
        )  # a remainder of exactly one half may go either way
    if total and canary * BUCKET_COUNT % total == 0:
        assert _split(weights={"stable": stable, "a": canary}) == _split(percent={"a": canary * BUCKET_COUNT // total})


WEIGHTS = st.lists(st.integers(0, 100), min_size=6, max_size=6).filter(any)


@given(WEIGHTS)
def test_weights_are_shares_of_their_sum(weights: list[int]) -> None:
    """Every version has its weight's share of the buckets, to within one."""
    sizes = _sizes(_split(weights=dict(zip(NAMES, weights, strict=True))))
    assert sum(sizes.values()) == BUCKET_COUNT
    for version, weight in zip(NAMES, weights, strict=True):
        assert abs(sizes[version] - weight * BUCKET_COUNT / sum(weights)) < 1


@given(st.lists(st.integers(0, 90_000), min_size=5, max_size=5), st.integers(0, 4), st.integers(0, 90_000))
def test_weight_that_changes_moves_only_its_own(sizes: list[int], changed: int, size: int) -> None:
    """While no shares touch, a changed weight moves exactly as many clients as it must, to or from the default."""
    before = dict(zip(NAMES[1:], sizes, strict=True))
    after = before | {NAMES[1 + changed]: size}
    one, other = (
        _split(weights={"stable": BUCKET_COUNT - sum(shares.values()), **shares}) for shares in (before, after)
    )
    moved = _moved(one, other)
    assert moved.total() == abs(size - sizes[changed])
    assert set(moved) <= {("stable", NAMES[1 + changed]), (NAMES[1 + changed], "stable")}


@given(WEIGHTS, st.integers(0, 5), st.integers(0, 100))
def test_weights_move_few_clients_at_worst(weights: list[int], changed: int, weight: int) -> None:
    """Whatever changes, the clients that move are a small multiple of those that must."""
    after = [weight if at == changed else old for at, old in enumerate(weights)]
    if not any(after):
        return
    one, other = (_split(weights=dict(zip(NAMES, listed, strict=True))) for listed in (weights, after))
    least = sum(max(0, _sizes(other)[name] - _sizes(one)[name]) for name in NAMES)
    assert _moved(one, other).total() <= 6 * least + 12


@pytest.mark.parametrize(
    ("ways", "path"),
    [
        ({"percent": {"a": 1}, "weights": {"a": 1}}, ("weights",)),
        ({"percent": {"a": 1}, "ranges": {"a": ((0, 1),)}}, ("ranges",)),
        ({"percent": {"a": 600_000, "b": 400_001}}, ("percent",)),
        ({"percent": {"a": -1}}, ("percent", "a")),
        ({"percent": {"a": 1, "b": 1, "c": 1}}, ("percent",)),
        ({"percent": {"stable": 1}}, ("percent", "stable")),
        ({"percent": {"x": 1}}, ("percent", "x")),
        ({"weights": {"a": 0}}, ("weights",)),
        ({"weights": {"a": 2, "b": -1}}, ("weights", "b")),
        ({"ranges": {"a": ((5, 5),)}}, ("ranges", "a", 0)),
        ({"ranges": {"a": ((0, BUCKET_COUNT + 1),)}}, ("ranges", "a", 0)),
        ({"ranges": {"a": ((0, 10),), "b": ((9, 20),)}}, ("ranges", "b")),
    ],
)
def test_impossible_splits_are_faults(ways: dict[str, object], path: tuple[str | int, ...]) -> None:
    """What cannot be laid out is an error at its place."""
    faults: list[ConfigIssue] = []
    compile_split(ServicePolicy(versions=VERSIONS, default="stable", **ways), PolicyIssues(faults))  # type: ignore[arg-type]
    assert [fault.path for fault in faults] == [path]


def test_no_split_is_all_default() -> None:
    """Without percent, weights and ranges there is nothing to hash."""
    faults: list[ConfigIssue] = []
    split = compile_split(service(), PolicyIssues(faults))
    assert split.thresholds == ()
    assert split.find_version(0) == "stable"
