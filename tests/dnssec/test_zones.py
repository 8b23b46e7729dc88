"""What is remembered of zones."""

from __future__ import annotations

import pytest

from graydns.dnssec.zones import Zone, Zones
from graydns.model.name import from_text
from graydns.model.proof import Security

NAMES = ("a.test", "www.a.test", "ba.test", "test", ".")


@pytest.mark.parametrize(
    ("name", "left"),
    [("a.test", {"ba.test", "test", "."}), ("test", {"."}), (".", set()), ("none", set(NAMES))],
)
def test_without_a_name_and_all_below_it(name: str, left: set[str]) -> None:
    """Label by label; the one that it was made from keeps everything, and waits for bogus ones go too."""
    zones = Zones()
    for each in NAMES:
        zones.keep(from_text(each), Zone(from_text(each), Security.BOGUS), 0.0)
    fewer = zones.without(from_text(name))
    assert {each for each in NAMES if fewer.find(from_text(each), 1.0)} == left
    assert (fewer.size, zones.size) == (len(left), len(NAMES))
    for each in NAMES:
        # The second wait in a row is twice the first, 5 seconds.
        again = fewer.keep(from_text(each), Zone(from_text(each), Security.BOGUS), 0.0)
        assert again.expires == (10.0 if each in left else 5.0)
