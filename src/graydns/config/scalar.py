"""Readers of single values: texts, numbers, durations, sizes.

A reader is called with what the file has (text, None, a list or a mapping), returns the typed value
or raises ValidationError with a text that names its bounds. ``config.converter`` finds readers in the
``Annotated`` types of the schema classes, so that type, unit and bounds stand in one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from graydns.config.issues import make_validation_error

#: Canonical decimals only: "010" is octal to some readers and a slip to the others.
INTEGER_PATTERN = re.compile(r"-?[1-9][0-9]{0,17}|0")
NONCANONICAL_INTEGER_PATTERN = re.compile(r"(?:\+|-?0)[0-9_]+|-?[0-9]+_[0-9_]*")
QUANTITY_PATTERN = re.compile(r"(0|[1-9][0-9]{0,14})([A-Za-z]{1,3})")
PERCENT_PATTERN = re.compile(r"(0|[1-9][0-9]{0,2})(?:\.([0-9]{1,4}))?")
VERSION_NUMBER_PATTERN = re.compile(r"(0|[1-9][0-9]{0,17})(\.(0|[1-9][0-9]{0,17})){0,7}")

MILLISECONDS_BY_UNIT = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
BYTES_BY_UNIT = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

#: Buckets of the sticky hash: 100 % in millionths.
WHOLE_IN_MILLIONTHS = 1_000_000


@frozen
class Text:
    """A text of *min_length* to *max_length* characters that fully matches *pattern*. *expected*: for people."""

    expected: str = "a text"
    min_length: int = 1
    max_length: int = 255
    pattern: str = r"[^\x00-\x1f\x7f]*"

    def __call__(self, value: object, /) -> str:
        """The text as it was typed."""
        if not isinstance(value, str):
            raise make_validation_error(value, self.expected)
        if not self.min_length <= len(value) <= self.max_length:
            raise make_validation_error(value, f"{self.expected} of {self.min_length} to {self.max_length} characters")
        if not re.fullmatch(self.pattern, value):
            raise make_validation_error(value, self.expected)
        return value


@frozen
class Identifier(Text):
    """A name that users give to a rule, a version or an upstream; it goes into logs, keys and metrics."""

    expected: str = "a name of 1 to 63 letters, digits, '.', '_' or '-', the first a letter or digit"
    max_length: int = 63
    pattern: str = r"[A-Za-z0-9][A-Za-z0-9._-]*"


@frozen
class TenantName(Text):
    """A tenant; also the name of its folder below ``data``, hence no dots."""

    expected: str = "a tenant's name of 1 to 63 letters, digits, '_' or '-', the first a letter or digit"
    max_length: int = 63
    pattern: str = r"[A-Za-z0-9][A-Za-z0-9_-]*"


@frozen
class Keyword:
    """One of a few words."""

    keywords: tuple[str, ...]

    def __call__(self, value: object, /) -> str:
        """The word."""
        if value not in self.keywords:
            raise make_validation_error(value, f"one of {', '.join(self.keywords)}")
        return str(value)


def read_boolean(value: object, /) -> bool:
    """``true`` or ``false`` and nothing else: ``no`` is also a country."""
    if value not in ("true", "false"):
        raise make_validation_error(value, "true or false")
    return value == "true"


@frozen
class Integer:
    """A whole number from *minimum* to *maximum*."""

    minimum: int
    maximum: int

    def __call__(self, value: object, /) -> int:
        """The number."""
        expected = f"a whole number from {self.minimum} to {self.maximum}"
        if not isinstance(value, str) or not INTEGER_PATTERN.fullmatch(value):
            loose = isinstance(value, str) and NONCANONICAL_INTEGER_PATTERN.fullmatch(value)
            raise make_validation_error(
                value, f"{expected}, written without leading zeros, '+' or '_'" if loose else expected
            )
        if not self.minimum <= int(value) <= self.maximum:
            raise make_validation_error(value, expected)
        return int(value)


def parse_quantity(value: object, units: Mapping[str, int], least: str, most: str) -> int | None:
    """*value*, a number with one of *units*, in the smallest of them; None if it is not one from *least* to *most*."""
    match = QUANTITY_PATTERN.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        return None
    size = int(match[1]) * units[match[2]]
    low, high = (int(bound[1]) * units[bound[2]] for bound in map(QUANTITY_PATTERN.fullmatch, (least, most)) if bound)
    return size if low <= size <= high else None


@frozen
class Duration:
    """A duration in seconds; bounds as a user would write them."""

    minimum: str
    maximum: str

    def __call__(self, value: object, /) -> float:
        """Seconds."""
        length = parse_quantity(value, MILLISECONDS_BY_UNIT, self.minimum, self.maximum)
        if length is None:
            raise make_validation_error(value, f"a duration from {self.minimum} to {self.maximum}, in ms, s, m, h or d")
        return length / 1000


@frozen
class Ttl:
    """A time to live in whole seconds; as in zone files, a number without unit is seconds."""

    maximum: str
    minimum: str = "0s"

    def __call__(self, value: object, /) -> int:
        """Seconds."""
        text = value + "s" if isinstance(value, str) and INTEGER_PATTERN.fullmatch(value) else value
        length = parse_quantity(text, MILLISECONDS_BY_UNIT, self.minimum, self.maximum)
        if length is None or length % 1000:
            raise make_validation_error(
                value, f"whole seconds from {self.minimum} to {self.maximum}, such as 5, 5s, 10m or 1h"
            )
        return length // 1000


@frozen
class Size:
    """A number of bytes; bounds as a user would write them."""

    minimum: str
    maximum: str

    def __call__(self, value: object, /) -> int:
        """Bytes."""
        size = parse_quantity(value, BYTES_BY_UNIT, self.minimum, self.maximum)
        if size is None:
            raise make_validation_error(
                value, f"a size from {self.minimum} to {self.maximum}, in B, KiB, MiB, GiB or TiB"
            )
        return size


def read_percent(value: object, /) -> int:
    """A percentage in steps of 0.0001, as millionths of the whole."""
    match = PERCENT_PATTERN.fullmatch(value) if isinstance(value, str) else None
    share = int(match[1]) * 10_000 + int((match[2] or "").ljust(4, "0")) if match else WHOLE_IN_MILLIONTHS + 1
    if share > WHOLE_IN_MILLIONTHS:
        raise make_validation_error(value, "a percentage from 0 to 100 in steps of 0.0001, without a sign")
    return share


def read_range(value: object, /) -> tuple[int, int]:
    """Percentages ``5-12.5`` as half-open bucket numbers ``(50_000, 125_000)``."""
    expected = "two rising percentages from 0 to 100, such as 5-12.5"
    first, dash, last = value.partition("-") if isinstance(value, str) else ("", "", "")
    if not (dash and PERCENT_PATTERN.fullmatch(first) and PERCENT_PATTERN.fullmatch(last)):
        raise make_validation_error(value, expected)
    start, end = read_percent(first), read_percent(last)
    if start >= end:
        raise make_validation_error(value, expected)
    return start, end


def read_version_number(value: object, /) -> tuple[int, ...]:
    """``20261122.10`` as ``(20261122, 10)``, which compares number by number."""
    if not isinstance(value, str) or not VERSION_NUMBER_PATTERN.fullmatch(value):
        raise make_validation_error(
            value, "1 to 8 whole numbers joined by dots, without leading zeros, such as 20261122.1"
        )
    return tuple(int(part) for part in value.split("."))


@frozen
class KeywordSet:
    """Distinct words of *keywords* joined by ``+``."""

    keywords: tuple[str, ...]

    def __call__(self, value: object, /) -> frozenset[str]:
        """The set of words."""
        parts = value.split("+") if isinstance(value, str) else [""]
        if not set(parts) <= set(self.keywords) or len(set(parts)) < len(parts):
            raise make_validation_error(value, f"any of {', '.join(self.keywords)}, each once, joined by +")
        return frozenset(parts)
