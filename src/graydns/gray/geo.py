"""Where an address is, read from a MaxMind database that somebody else has opened."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import Any, NamedTuple, Protocol

import maxminddb

#: Addresses whose place is remembered: decoding a record costs some 10 µs.
REMEMBERED = 16_384


class Place(NamedTuple):
    """*country*: ISO 3166-1 alpha-2. *subdivisions*: ISO 3166-2 (``CN-BJ``), largest first. *city*: English, folded.

    None or () = not known.
    """

    country: str | None = None
    subdivisions: tuple[str, ...] = ()
    city: str | None = None


NOWHERE = Place()


class Geo(Protocol):
    """Knows places of addresses."""

    @property
    def place(self) -> Callable[[bytes], Place]:
        """The place of a packed address (4 or 16 bytes); NOWHERE if there is none."""


class MaxMind:
    """A Geo over an open reader of a database with the fields of GeoLite2 or GeoIP2 (Country or City)."""

    def __init__(self, reader: maxminddb.Reader) -> None:
        # Not a bound method: the cache would hold this object and this object the cache.
        self.place: Callable[[bytes], Place] = lru_cache(REMEMBERED)(partial(_look_up, reader))


def fold_city(name: str) -> str:
    """City names are compared without regard to case."""
    return name.casefold()


def _look_up(reader: maxminddb.Reader, address: bytes) -> Place:
    if len(address) == 16 and reader.metadata().ip_version == 4:
        return NOWHERE
    record = reader.get(ip_address(address))
    return _read(record) if isinstance(record, dict) else NOWHERE


def _read(record: dict[str, Any]) -> Place:
    country = record.get("country", {}).get("iso_code")
    codes = [division.get("iso_code") for division in record.get("subdivisions", ())]
    city = record.get("city", {}).get("names", {}).get("en")
    return Place(
        country=country,
        subdivisions=tuple(f"{country}-{code}" for code in codes if country and code),
        city=None if city is None else fold_city(city),
    )
