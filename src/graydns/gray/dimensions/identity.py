"""What a client proves or says of itself: its identity and its tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graydns.gray.dimensions.dimension import (
    ClientFacts,
    Dimension,
    EqualityTest,
    ExplainedQuery,
    Reads,
    ReadValue,
    equals,
    format_mismatch,
)
from graydns.model.client import IDENTITY_PREFIXES, Client
from graydns.model.errors import PolicyIssues

#: Tags as sorted pairs of key and value.
Tags = tuple[tuple[str, str], ...]

#: The rank of either: its kind above five bits for the number of tags.
_PAIR_BITS = 5
_MAX_PAIRS = (1 << _PAIR_BITS) - 1


def parse_identity(text: str, issues: PolicyIssues) -> str:
    """An identity with its prefix; a bare one is a ``client:`` identity."""
    return text if text.startswith(IDENTITY_PREFIXES) else "client:" + text


def combine_identity_ranks(ranks: Sequence[int]) -> int:
    """The rank of both: the kind of the one, the number of the other."""
    client, tags = ranks
    return max(client, tags) >> _PAIR_BITS << _PAIR_BITS | tags & _MAX_PAIRS


def _rank_identity(identity: str) -> int:
    return next(kind for kind, prefix in enumerate(IDENTITY_PREFIXES, 2) if identity.startswith(prefix)) << _PAIR_BITS


def _parse_tags(tags: Mapping[str, str], issues: PolicyIssues) -> Tags:
    return tuple(sorted(tags.items()))


def _tag_reader(key: str) -> ReadValue:
    def read(client: Client, facts: ClientFacts) -> str | None:
        return dict(client.tags).get(key)

    return read


def _test_tags(tags: Tags) -> tuple[EqualityTest, ...]:
    return tuple(EqualityTest(("tag", key), _tag_reader(key), value) for key, value in tags)


def _explain_tags(tags: Tags, seen: ExplainedQuery) -> str | None:
    given = dict(seen.client.tags)
    wrong = ((key, value) for key, value in tags if given.get(key) != value)
    return next((format_mismatch(f"tag {key}", given.get(key), value) for key, value in wrong), None)


def _tags_may_overlap(mine: Tags | None, theirs: Tags | None) -> bool:
    others = dict(theirs or ())
    return all(others.get(key, value) == value for key, value in mine or ())


#: The strongest identity: ``tls:`` over ``tsig:`` over ``client:``.
CLIENT = Dimension[str](
    key="client",
    parse=parse_identity,
    reads=Reads.IDENTITY,
    rank=_rank_identity,
    tests=equals("client", lambda client, facts: client.identity),
)

#: Every pair must be among the client's tags.
TAG = Dimension[Tags](
    key="tag",
    parse=_parse_tags,
    reads=Reads.IDENTITY,
    rank=lambda tags: 1 << _PAIR_BITS | min(len(tags), _MAX_PAIRS),
    tests=_test_tags,
    mismatch=_explain_tags,
    overlap_key=lambda tags: None,
    may_overlap=_tags_may_overlap,
)
