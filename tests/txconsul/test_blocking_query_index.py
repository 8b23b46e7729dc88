"""Which index a watch goes on from."""

from __future__ import annotations

import pytest

from txconsul.reply import ConsulReply
from txconsul.watch import BlockingQueryIndex


def said(body: bytes = b"[]", status: int = 200, filtered: bool | None = None) -> ConsulReply:
    return ConsulReply(status, None, True, 0.0, filtered, None, body)


def at(index: int) -> BlockingQueryIndex:
    course = BlockingQueryIndex()
    course.update(said(), index, early=False)
    return course


def test_the_first_query_has_no_index() -> None:
    """Consul answers it at once."""
    assert BlockingQueryIndex().index is None


def test_the_first_reply_is_news() -> None:
    """And the next query waits for an index past its own."""
    course = BlockingQueryIndex()
    assert course.update(said(), 7, early=True)
    assert course.index == 7


def test_an_index_of_zero_is_raised_to_one() -> None:
    """A query with index 0 would be answered at once, for ever."""
    assert at(0).index == 1


def test_an_index_that_goes_backwards_is_given_up() -> None:
    """It is another state than the one the index was of."""
    course = at(50)
    course.update(said(), 13, early=True)
    assert course.index is None


@pytest.mark.parametrize(("early", "index"), [(True, None), (False, 50)])
def test_the_same_index_before_its_time_is_given_up(early: bool, index: int | None) -> None:
    """Consul only does that when it stops or was rolled back; after the whole wait it is the usual answer."""
    course = at(50)
    assert not course.update(said(), 50, early=early)
    assert course.index == index


def test_an_error_gives_up_the_index_but_not_what_was_told() -> None:
    """The same data after it are no news."""
    course = at(50)
    course.reset()
    assert course.index is None
    assert not course.update(said(), 60, early=True)


@pytest.mark.parametrize("other", [said(b"[1]"), said(status=404), said(filtered=True)])
def test_other_data_are_news(other: ConsulReply) -> None:
    """The body counts, whether there is one, and whether Consul left something out."""
    assert at(5).update(other, 6, early=True)


def test_a_wake_up_without_other_data_is_none() -> None:
    """The index goes on all the same."""
    course = at(5)
    assert not course.update(said(), 6, early=True)
    assert course.index == 6
