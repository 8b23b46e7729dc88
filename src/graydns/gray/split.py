"""Which version each bucket belongs to: percent, ranges and weights laid out over a million buckets.

Every version but the default has an anchor from which its share grows in one direction; the default has what is
left. A share that changes therefore moves clients only at its own edge, until it runs into another share.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from attrs import frozen

from graydns.gray.client_key import BUCKET_COUNT, bucket_threshold
from graydns.model.errors import PolicyIssues
from graydns.model.policy import ServicePolicy


class BucketRange(NamedTuple):
    """The buckets from *start* up to, not including, *end*."""

    start: int
    end: int
    version: str = ""


@frozen
class Split:
    """The versions by ascending bucket; *thresholds* are the 64-bit hashes at which the next one begins."""

    segments: tuple[BucketRange, ...]
    thresholds: tuple[int, ...]

    def find_version(self, hashed: int) -> str:
        """The version a 64-bit hash belongs to."""
        return self.segments[bisect_right(self.thresholds, hashed)].version


def compile_split(service: ServicePolicy, faults: PolicyIssues) -> Split:
    """Compile the one of ``percent``, ``ranges`` and ``weights`` that *service* has."""
    given = [way for way in ("percent", "ranges", "weights") if getattr(service, way)]
    if len(given) > 1:
        faults.add(" and ".join(given), "only one of percent, ranges, weights", given[-1])
        return build_split((), service.default)
    for way in given:
        for version in getattr(service, way):
            if version not in service.versions:
                faults.add(f"{version!r}", "a version of this service", way, version)
    if service.ranges:
        return build_split(_parse_ranges(service.ranges, faults.under("ranges")), service.default)
    sizes = _percent_sizes(service, faults) if service.percent else _weight_sizes(service, faults)
    return build_split(_allocate_buckets(sizes), service.default)


def build_split(claims: Sequence[BucketRange], default: str) -> Split:
    """*claims* (disjoint) with *default* in every gap, neighbours of one version joined."""
    filled: list[BucketRange] = []
    for claim in (*sorted(claims), BucketRange(BUCKET_COUNT, BUCKET_COUNT)):
        at = filled[-1].end if filled else 0
        for start, end, version in (BucketRange(at, claim.start, default), claim):
            if start == end:
                continue
            if filled and filled[-1].version == version:
                start = filled.pop().start
            filled.append(BucketRange(start, end, version))
    return Split(tuple(filled), tuple(bucket_threshold(segment.start) for segment in filled[1:]))


def _percent_sizes(service: ServicePolicy, faults: PolicyIssues) -> dict[str, int]:
    faults = faults.under("percent")
    shares = service.percent
    if service.default in shares:
        faults.add("the default version", "versions other than the default, which gets the rest", service.default)
    if len(shares) > 2:
        faults.add(f"{len(shares)} versions", "at most two: more need explicit ranges")
    for version, share in shares.items():
        if not 0 <= share <= BUCKET_COUNT:
            faults.add(f"{share / 10_000:g} %", "0 to 100 %", version)
    if (total := sum(shares.values())) > BUCKET_COUNT:
        faults.add(f"{total / 10_000:g} % in all", "at most 100 %")
    return dict(shares)


def _parse_ranges(ranges: Mapping[str, Sequence[tuple[int, int]]], faults: PolicyIssues) -> list[BucketRange]:
    segments: list[BucketRange] = []
    for version, pairs in ranges.items():
        for index, (start, end) in enumerate(pairs):
            if 0 <= start < end <= BUCKET_COUNT:
                segments.append(BucketRange(start, end, version))
            else:
                faults.add(f"{start} to {end}", f"a start below its end, within 0 to {BUCKET_COUNT}", version, index)
    segments.sort()
    for one, other in pairwise(segments):
        if other.start < one.end:
            faults.add(f"{other.start} to {other.end}, overlapping {one.version}", "disjoint ranges", other.version)
    return segments


def _weight_sizes(service: ServicePolicy, faults: PolicyIssues) -> dict[str, int]:
    """Weights as numbers of buckets, by largest remainder, the default's left out."""
    weights = service.weights
    if not weights:
        return {}
    for version, weight in weights.items():
        if weight < 0:
            faults.add(f"{weight}", "a weight of 0 or more", "weights", version)
    total = sum(weights.values())
    if total <= 0:
        faults.add("no weight above 0", "at least one", "weights")
        return {}
    sizes = {version: weight * BUCKET_COUNT // total for version, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda version: -(weights[version] * BUCKET_COUNT % total))
    for version in by_remainder[: BUCKET_COUNT - sum(sizes.values())]:
        sizes[version] += 1
    sizes.pop(service.default, None)
    return sizes


def _allocate_buckets(sizes: Mapping[str, int]) -> list[BucketRange]:
    """Give each version its buckets from its anchor on, past those that are taken."""
    free = [BucketRange(0, BUCKET_COUNT)]
    claims: list[BucketRange] = []
    for index, (version, size) in enumerate(sizes.items()):
        anchor, step = _anchor(index)
        before = [BucketRange(start, min(end, anchor)) for start, end, _ in free if start < anchor]
        behind = [BucketRange(max(start, anchor), end) for start, end, _ in free if end > anchor]
        ahead = behind + before if step > 0 else before[::-1] + behind[::-1]
        free = []
        for start, end, _ in ahead:
            taken = min(size, end - start)
            size -= taken
            edge = start + taken if step > 0 else end - taken
            claim, rest = ((start, edge), (edge, end)) if step > 0 else ((edge, end), (start, edge))
            claims.append(BucketRange(*claim, version))
            free.append(BucketRange(*rest))
        free = sorted(piece for piece in free if piece.start < piece.end)
    return [claim for claim in claims if claim.start < claim.end]


def _anchor(index: int) -> tuple[int, int]:
    """Where the share of version *index* begins and which way it grows.

    The first grows up from 0, the second down from the end, then pairs grow both ways from 1/2, 1/4, 3/4, 1/8 …:
    an anchor never depends on how many versions there are.
    """
    pair, odd = divmod(index, 2)
    if pair == 0:
        return (BUCKET_COUNT, -1) if odd else (0, 1)
    position, scale = 0.0, 0.5
    while pair:
        position += scale * (pair & 1)
        pair >>= 1
        scale /= 2
    return int(position * BUCKET_COUNT), -1 if odd else 1
