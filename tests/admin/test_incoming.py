"""Incoming: a text in several calls, bounded, and never one of two mixed up."""

from __future__ import annotations

import pytest

from graydns.admin.incoming import MOST, Incoming
from graydns.admin.security import Refused


def test_parts_make_a_whole() -> None:
    """In their order; what was taken is gone, and a first part lets go of what was there."""
    incoming = Incoming()
    assert incoming.add(["a", "b"], True) == {"characters": 2}
    assert incoming.add(["c"], False) == {"characters": 3}
    assert incoming.take() == "abc"
    assert incoming.take() == ""
    incoming.add(["half of one"], True)
    incoming.add(["another"], True)
    assert incoming.take() == "another"


def test_the_bound() -> None:
    """As much as may be is taken; one more, and nothing of it is kept."""
    incoming = Incoming()
    incoming.add(["x" * (MOST - 1)], True)
    assert incoming.add(["x"], False) == {"characters": MOST}
    with pytest.raises(Refused, match=str(MOST)):
        incoming.add(["x"], False)
    assert incoming.take() == ""
