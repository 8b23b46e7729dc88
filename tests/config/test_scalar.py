"""Readers of single values: what they take, and what they say about the rest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.config.issues import ValidationError
from graydns.config.scalar import (
    Duration,
    Identifier,
    Integer,
    Keyword,
    KeywordSet,
    Size,
    TenantName,
    Text,
    Ttl,
    read_boolean,
    read_percent,
    read_range,
    read_version_number,
)

port = Integer(-5, 65535)
idle = Duration("100ms", "1h")
ttl = Ttl("1d")
size = Size("64KiB", "1TiB")
isolation = KeywordSet(("network", "storage", "compute"))

TAKEN: list[tuple[Callable[[object], Any], str, object]] = [
    (read_boolean, "true", True),
    (read_boolean, "false", False),
    (port, "0", 0),
    (port, "-5", -5),
    (port, "65535", 65535),
    (idle, "100ms", 0.1),
    (idle, "8s", 8.0),
    (idle, "1h", 3600.0),
    (Duration("0ms", "10s"), "0ms", 0.0),
    (ttl, "5", 5),
    (ttl, "0", 0),
    (ttl, "5s", 5),
    (ttl, "2000ms", 2),
    (ttl, "1d", 86_400),
    (size, "64KiB", 65_536),
    (size, "65536B", 65_536),
    (size, "1TiB", 1 << 40),
    (read_percent, "0", 0),
    (read_percent, "10", 100_000),
    (read_percent, "0.0001", 1),
    (read_percent, "12.5", 125_000),
    (read_percent, "100.0000", 1_000_000),
    (read_range, "0-5", (0, 50_000)),
    (read_range, "99.9999-100", (999_999, 1_000_000)),
    (read_version_number, "20261122.10", (20261122, 10)),
    (read_version_number, "0", (0,)),
    (isolation, "network", frozenset({"network"})),
    (isolation, "storage+network", frozenset({"network", "storage"})),
    (Identifier(), "v1.2.0", "v1.2.0"),
    (TenantName(), "t-demo", "t-demo"),
    (Text(), "Größe", "Größe"),
    (Keyword(("udp", "tcp")), "udp", "udp"),
]

REFUSED: list[tuple[Callable[[object], Any], object, str]] = [
    (read_boolean, "no", "true or false"),
    (read_boolean, "True", "true or false"),
    (read_boolean, None, "true or false"),
    (port, "010", "from -5 to 65535, written without leading zeros"),
    (port, "+5", "written without leading zeros, '+'"),
    (port, "1_000", "or '_'"),
    (port, "-6", "a whole number from -5 to 65535"),
    (port, "65536", "a whole number from -5 to 65535"),
    (port, "5.0", "a whole number"),
    (port, "٣", "a whole number"),
    (port, "9" * 10_000, "a whole number"),
    (port, "5\n", "a whole number"),
    (port, ["5"], "a whole number"),
    (port, {}, "a whole number"),
    (idle, "99ms", "from 100ms to 1h"),
    (idle, "61m", "from 100ms to 1h"),
    (idle, "8", "in ms, s, m, h or d"),
    (idle, "08s", "a duration"),
    (idle, "1.5s", "a duration"),
    (idle, "8 s", "a duration"),
    (idle, "8w", "a duration"),
    (idle, "9" * 10_000 + "s", "a duration"),
    (ttl, "500ms", "whole seconds"),
    (ttl, "2d", "from 0s to 1d"),
    (ttl, "-1", "whole seconds"),
    (ttl, "05", "whole seconds"),
    (size, "64MB", "in B, KiB, MiB, GiB or TiB"),
    (size, "65536", "a size"),
    (size, "63KiB", "from 64KiB to 1TiB"),
    (size, "2TiB", "from 64KiB to 1TiB"),
    (read_percent, "100.0001", "from 0 to 100"),
    (read_percent, "0.00001", "in steps of 0.0001"),
    (read_percent, "10%", "without a sign"),
    (read_percent, "-1", "a percentage"),
    (read_percent, "1e1", "a percentage"),
    (read_percent, "nan", "a percentage"),
    (read_percent, ".5", "a percentage"),
    (read_range, "5", "two rising percentages"),
    (read_range, "5-5", "two rising percentages"),
    (read_range, "6-5", "two rising percentages"),
    (read_range, "0-101", "from 0 to 100"),
    (read_range, None, "two rising percentages"),
    (read_version_number, "1.", "whole numbers joined by dots"),
    (read_version_number, "v1", "whole numbers"),
    (read_version_number, "1.01", "without leading zeros"),
    (read_version_number, "1.2.3.4.5.6.7.8.9", "1 to 8"),
    (read_version_number, "9" * 10_000, "whole numbers"),
    (read_version_number, None, "whole numbers"),
    (isolation, "", "any of network, storage, compute"),
    (isolation, "network+network", "each once"),
    (isolation, "network + storage", "joined by +"),
    (isolation, None, "any of"),
    (Identifier(), "", "1 to 63"),
    (Identifier(), "a b", "letters, digits"),
    (Identifier(), "-a", "the first a letter or digit"),
    (Identifier(), "a" * 64, "1 to 63"),
    (TenantName(), "../other", "a tenant's name"),
    (TenantName(), "a.b", "a tenant's name"),
    (Text(), "a\x7f", "a text"),
    (Text(), "a" * 256, "1 to 255 characters"),
    (Text(), None, "a text"),
    (Keyword(("udp", "tcp")), "UDP", "one of udp, tcp"),
    (Keyword(("udp", "tcp")), {}, "one of udp, tcp"),
]


@pytest.mark.parametrize(("reader", "text", "value"), TAKEN)
def test_taken(reader: Callable[[object], Any], text: str, value: object) -> None:
    """A value within its bounds is read with its type."""
    read = reader(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(("reader", "value", "expected"), REFUSED)
def test_refused(reader: Callable[[object], Any], value: object, expected: str) -> None:
    """Anything else is refused with a text that says what would have been right."""
    with pytest.raises(ValidationError) as caught:
        reader(value)
    (issue,) = caught.value.issues
    assert expected in issue.expected
    assert len(issue.found) < 100


READERS = [*dict.fromkeys(row[0] for row in TAKEN)]


@given(st.sampled_from(READERS), st.text(max_size=20) | st.none() | st.lists(st.text(max_size=3), max_size=2))
def test_any_value(reader: Callable[[object], Any], value: object) -> None:
    """A reader returns something or raises Issues, never anything else."""
    with suppress(ValidationError):
        reader(value)


@given(st.integers(0, 1_000_000))
def test_percent_is_exact(millionths: int) -> None:
    """Every step of 0.0001 % is its own number of buckets."""
    assert read_percent(f"{millionths // 10_000}.{millionths % 10_000:04}") == millionths


@given(
    st.lists(st.integers(0, 10**17), min_size=1, max_size=8), st.lists(st.integers(0, 10**17), min_size=1, max_size=8)
)
def test_version_numbers_compare_number_by_number(one: list[int], other: list[int]) -> None:
    """``.10`` is above ``.9``."""
    read = [read_version_number(".".join(map(str, parts))) for parts in (one, other)]
    assert (read[0] > read[1]) == (one > other)
