"""The location of an address, read from a MaxMind database that the caller has opened."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import Any, NamedTuple, Protocol

import maxminddb

#: Locations cached: decoding a record costs some 10 µs.
MAX_CACHED_LOCATIONS = 16_384


class GeoLocation(NamedTuple):
    """*country*: ISO 3166-1 alpha-2. *subdivisions*: ISO 3166-2 (``CN-BJ``), largest first. *city*: English, folded.

    None or () = not known.
    """

    country: str | None = None
    subdivisions: tuple[str, ...] = ()
    city: str | None = None


UNKNOWN_LOCATION = GeoLocation()


class GeoLocator(Protocol):
    """Finds the location of an address."""

    @property
    def locate(self) -> Callable[[bytes], GeoLocation]:
        """The location of a packed address (4 or 16 bytes); UNKNOWN_LOCATION if the database has none."""


class MaxMindLocator:
    """A GeoLocator over an open reader of a database with the fields of GeoLite2 or GeoIP2 (Country or City)."""

    def __init__(self, reader: maxminddb.Reader) -> None:
        # Not a bound method: the cache would hold this object and this object the cache.
        self.locate: Callable[[bytes], GeoLocation] = lru_cache(MAX_CACHED_LOCATIONS)(partial(_locate, reader))


def fold_city(name: str) -> str:
    """City names are compared without regard to case."""
    return name.casefold()


def _locate(reader: maxminddb.Reader, address: bytes) -> GeoLocation:
    if len(address) == 16 and reader.metadata().ip_version == 4:
        return UNKNOWN_LOCATION
    record = reader.get(ip_address(address))
    return _parse_location(record) if isinstance(record, dict) else UNKNOWN_LOCATION


def _parse_location(record: dict[str, Any]) -> GeoLocation:
    country = record.get("country", {}).get("iso_code")
    codes = [division.get("iso_code") for division in record.get("subdivisions", ())]
    city = record.get("city", {}).get("names", {}).get("en")
    return GeoLocation(
        country=country,
        subdivisions=tuple(f"{country}-{code}" for code in codes if country and code),
        city=None if city is None else fold_city(city),
    )
