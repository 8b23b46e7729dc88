"""A dimension: one thing that rules can test, declared in one place.

Everything that deals with rules is derived from the declaration: what a rule may say under ``when``, in which order
rules win, how the rules that match a client are found, what caches must know, and what ``explain`` prints.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from enum import Flag, auto
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from attrs import field, frozen

from graydns.gray.geo import UNKNOWN_LOCATION, GeoLocation, GeoLocator
from graydns.model.client import Client, Subnet
from graydns.model.errors import PolicyIssues
from graydns.model.name import labels
from graydns.model.query import Query

ValueT = TypeVar("ValueT")


class Reads(Flag):
    """What a test reads. All that caches and plans do differently for a dimension follows from this.

    *QUESTION*: name and type, which are settled before the client. *NETWORK*: in which networks the address is.
    *LOCATION*: where it is, by the geo database: answers then depend on every bit of it. *IDENTITY*: identity or tags,
    which no cache can key by. *TRANSPORT*: how the query came. *CLOCK*: the time.
    """

    NOTHING = 0
    QUESTION = auto()
    NETWORK = auto()
    LOCATION = auto()
    IDENTITY = auto()
    TRANSPORT = auto()
    CLOCK = auto()


class ClientFacts(NamedTuple):
    """What is known of a client beside its query. *now*: Unix seconds, 0 where no rule reads the clock."""

    location: GeoLocation = UNKNOWN_LOCATION
    now: float = 0.0


NO_FACTS = ClientFacts()

ReadValue = Callable[[Client, ClientFacts], Hashable]


class EqualityTest(NamedTuple):
    """A test that holds where what *read* returns is *wanted*: rules with equal tests are found by one dictionary.

    *token*: tests with equal tokens read the same. An absent value reads as None, which is never wanted.
    """

    token: Hashable
    read: ReadValue
    wanted: Hashable


@frozen
class ExplainedQuery:
    """A query as ``explain`` sees it. *geo*: None without a geo database. *clock*: Unix seconds."""

    query: Query
    geo: GeoLocator | None
    clock: Callable[[], float] | None

    @property
    def client(self) -> Client:
        """The client."""
        return self.query.client

    @cached_property
    def labels(self) -> tuple[bytes, ...]:
        """The name's labels without the root."""
        return tuple(labels(self.query.qname))[:-1]

    @cached_property
    def address(self) -> Subnet:
        """The address that rules test."""
        return Subnet(*read_tested_address(self.client))

    @cached_property
    def facts(self) -> ClientFacts:
        """What is known of the client."""
        location = UNKNOWN_LOCATION if self.geo is None else self.geo.locate(self.address.address)
        return ClientFacts(location, 0.0 if self.clock is None else self.clock())


def read_tested_address(client: Client) -> tuple[bytes, int]:
    """The address that rules test, and its bits: the trusted subnet, unless it withholds all bits, else the sender."""
    subnet = client.subnet
    return subnet if subnet is not None and subnet.prefix else (client.source, 8 * len(client.source))


def overlaps_always(mine: object, theirs: object) -> bool:
    """``Dimension.may_overlap`` of a dimension whose keys say all."""
    return True


@frozen(eq=False, kw_only=True)
class Dimension(Generic[ValueT]):
    """One thing that rules can test. Values are canonical: equal ones match equal queries; they are hashable.

    *key*: under ``when`` of a rule (a field of ``RuleConditions``), and the beginning of its text in ``explain``.
    *parse*: from what the policy says; adds an issue and returns None for what is wrong.
    *reads*: what the test reads.
    *rank*: how specific a value is within the dimension's RankField; 0 = as if it were not tested.
    *tests*: what must be equal. None: the value is found by an index of its own (networks, names, types).
    *read_many*: in place of *tests*, where any one of several values of the client may be the wanted one.
    *mismatch*: why a value does not match, None if it does. None: made from *tests*.
    *overlap_key*, *may_overlap*: whether two rules of the same rank can match the same query. They must have the same
    keys, None excepted, and overlap by *may_overlap*, whose arguments are None where a rule does not test this.
    """

    key: str
    parse: Callable[[Any, PolicyIssues], ValueT | None] = field(repr=False)
    reads: Reads
    rank: Callable[[ValueT], int] = field(default=lambda value: 1, repr=False)
    tests: Callable[[ValueT], tuple[EqualityTest, ...]] | None = field(default=None, repr=False)
    read_many: Callable[[ClientFacts], Iterable[Hashable]] | None = field(default=None, repr=False)
    mismatch: Callable[[ValueT, ExplainedQuery], str | None] | None = field(default=None, repr=False)
    overlap_key: Callable[[ValueT], Hashable] = field(default=lambda value: value, repr=False)
    may_overlap: Callable[[ValueT | None, ValueT | None], bool] = field(default=overlaps_always, repr=False)

    def find_mismatch(self, value: ValueT, seen: ExplainedQuery) -> str | None:
        """Why *value* does not match *seen*, None if it does."""
        if self.mismatch is not None:
            return self.mismatch(value, seen)
        tests = () if self.tests is None else self.tests(value)
        pairs = ((test.read(seen.client, seen.facts), test.wanted) for test in tests)
        return next((format_mismatch(self.key, found, wanted) for found, wanted in pairs if found != wanted), None)


def equals(token: Hashable, read: ReadValue) -> Callable[[Any], tuple[EqualityTest, ...]]:
    """``Dimension.tests`` of a dimension whose value must equal what *read* returns."""
    return lambda value: (EqualityTest(token, read, value),)


def are_compatible(mine: object, theirs: object) -> bool:
    """``Dimension.may_overlap`` of a dimension that either rule may leave untested."""
    return mine is None or theirs is None or mine == theirs


def format_mismatch(what: str, found: object, wanted: object) -> str:
    """``country: GB is not CN``."""
    return f"{what}: {'none' if found is None else found} is not {wanted}"
