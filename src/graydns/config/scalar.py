"""Readers of single values: texts, numbers, durations, sizes.

A reader is called with what the file has (text, None, a list or a mapping), returns the typed value
or raises Misfits with a text that names its bounds. ``config.converter`` finds readers in the
``Annotated`` types of the schema classes, so that type, unit and bounds stand in one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from graydns.config.misfit import misfits

#: Canonical decimals only: "010" is octal to some readers and a slip to the others.
INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
LOOSE_INTEGER = re.compile(r"(?:\+|-?0)[0-9_]+|-?[0-9]+_[0-9_]*")
QUANTITY = re.compile(r"(0|[1-9][0-9]{0,14})([A-Za-z]{1,3})")
PERCENT = re.compile(r"(0|[1-9][0-9]{0,2})(?:\.([0-9]{1,4}))?")
VERSION_NUMBER = re.compile(r"(0|[1-9][0-9]{0,17})(\.(0|[1-9][0-9]{0,17})){0,7}")

MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

#: Buckets of the sticky hash: 100 % in millionths.
WHOLE = 1_000_000


@frozen
class Text:
    """A text of *least* to *most* characters that fully matches *pattern*; *what* it is, for people."""

    what: str = "a text"
    least: int = 1
    most: int = 255
    pattern: str = r"[^\x00-\x1f\x7f]*"

    def __call__(self, value: object, /) -> str:
        """The text as it was typed."""
        if not isinstance(value, str):
            raise misfits(value, self.what)
        if not self.least <= len(value) <= self.most:
            raise misfits(value, f"{self.what} of {self.least} to {self.most} characters")
        if not re.fullmatch(self.pattern, value):
            raise misfits(value, self.what)
        return value


@frozen
class Identifier(Text):
    """A name that users give to a rule, a version or an upstream; it goes into logs, keys and metrics."""

    what: str = "a name of 1 to 63 letters, digits, '.', '_' or '-', the first a letter or digit"
    most: int = 63
    pattern: str = r"[A-Za-z0-9][A-Za-z0-9._-]*"


@frozen
class TenantName(Text):
    """A tenant; also the name of its folder below ``data``, hence no dots."""

    what: str = "a tenant's name of 1 to 63 letters, digits, '_' or '-', the first a letter or digit"
    most: int = 63
    pattern: str = r"[A-Za-z0-9][A-Za-z0-9_-]*"


@frozen
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def __call__(self, value: object, /) -> str:
        """The word."""
        if value not in self.words:
            raise misfits(value, f"one of {', '.join(self.words)}")
        return str(value)


def read_boolean(value: object, /) -> bool:
    """``true`` or ``false`` and nothing else: ``no`` is also a country."""
    if value not in ("true", "false"):
        raise misfits(value, "true or false")
    return value == "true"


@frozen
class Integer:
    """A whole number from *least* to *most*."""

    least: int
    most: int

    def __call__(self, value: object, /) -> int:
        """The number."""
        expected = f"a whole number from {self.least} to {self.most}"
        if not isinstance(value, str) or not INTEGER.fullmatch(value):
            loose = isinstance(value, str) and LOOSE_INTEGER.fullmatch(value)
            raise misfits(value, f"{expected}, written without leading zeros, '+' or '_'" if loose else expected)
        if not self.least <= int(value) <= self.most:
            raise misfits(value, expected)
        return int(value)


def measure(value: object, units: Mapping[str, int], least: str, most: str) -> int | None:
    """*value*, a number with one of *units*, in the smallest of them; None if it is not one from *least* to *most*."""
    match = QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        return None
    size = int(match[1]) * units[match[2]]
    low, high = (int(bound[1]) * units[bound[2]] for bound in map(QUANTITY.fullmatch, (least, most)) if bound)
    return size if low <= size <= high else None


@frozen
class Duration:
    """A duration in seconds; bounds as a user would write them."""

    least: str
    most: str

    def __call__(self, value: object, /) -> float:
        """Seconds."""
        length = measure(value, MILLISECONDS, self.least, self.most)
        if length is None:
            raise misfits(value, f"a duration from {self.least} to {self.most}, in ms, s, m, h or d")
        return length / 1000


@frozen
class Ttl:
    """A time to live in whole seconds; as in zone files, a number without unit is seconds."""

    most: str
    least: str = "0s"

    def __call__(self, value: object, /) -> int:
        """Seconds."""
        text = value + "s" if isinstance(value, str) and INTEGER.fullmatch(value) else value
        length = measure(text, MILLISECONDS, self.least, self.most)
        if length is None or length % 1000:
            raise misfits(value, f"whole seconds from {self.least} to {self.most}, such as 5, 5s, 10m or 1h")
        return length // 1000


@frozen
class Size:
    """A number of bytes; bounds as a user would write them."""

    least: str
    most: str

    def __call__(self, value: object, /) -> int:
        """Bytes."""
        size = measure(value, BYTES, self.least, self.most)
        if size is None:
            raise misfits(value, f"a size from {self.least} to {self.most}, in B, KiB, MiB, GiB or TiB")
        return size


def read_percent(value: object, /) -> int:
    """A percentage in steps of 0.0001, as millionths of the whole."""
    match = PERCENT.fullmatch(value) if isinstance(value, str) else None
    share = int(match[1]) * 10_000 + int((match[2] or "").ljust(4, "0")) if match else WHOLE + 1
    if share > WHOLE:
        raise misfits(value, "a percentage from 0 to 100 in steps of 0.0001, without a sign")
    return share


def read_range(value: object, /) -> tuple[int, int]:
    """Percentages ``5-12.5`` as half-open bucket numbers ``(50_000, 125_000)``."""
    expected = "two rising percentages from 0 to 100, such as 5-12.5"
    first, dash, last = value.partition("-") if isinstance(value, str) else ("", "", "")
    if not (dash and PERCENT.fullmatch(first) and PERCENT.fullmatch(last)):
        raise misfits(value, expected)
    start, end = read_percent(first), read_percent(last)
    if start >= end:
        raise misfits(value, expected)
    return start, end


def read_version_number(value: object, /) -> tuple[int, ...]:
    """``20261122.10`` as ``(20261122, 10)``, which compares number by number."""
    if not isinstance(value, str) or not VERSION_NUMBER.fullmatch(value):
        raise misfits(value, "1 to 8 whole numbers joined by dots, without leading zeros, such as 20261122.1")
    return tuple(int(part) for part in value.split("."))


@frozen
class Joined:
    """Distinct words of *words* joined by ``+``."""

    words: tuple[str, ...]

    def __call__(self, value: object, /) -> frozenset[str]:
        """The set of words."""
        parts = value.split("+") if isinstance(value, str) else [""]
        if not set(parts) <= set(self.words) or len(set(parts)) < len(parts):
            raise misfits(value, f"any of {', '.join(self.words)}, each once, joined by +")
        return frozenset(parts)
