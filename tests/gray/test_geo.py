"""Places read from a MaxMindLocator database that the test makes itself."""

from __future__ import annotations

import gc
import io
import weakref
from ipaddress import ip_address

import maxminddb
import pytest

from graydns.gray.geo import UNKNOWN_LOCATION, GeoLocation, MaxMindLocator
from graydns.model.policy import Rule, RuleConditions, RuleOutcome
from graydns.model.transport import TCP
from tests.gray.making import client, outcome, route
from tests.gray.mmdb import Value, write

BEIJING: Value = {
    "country": {"iso_code": "CN"},
    "subdivisions": [{"iso_code": "BJ"}],
    "city": {"names": {"en": "Beijing", "de": "Peking"}},
}
LONDON: Value = {
    "country": {"iso_code": "GB"},
    "subdivisions": [{"iso_code": "ENG"}, {"iso_code": "LND"}],
    "city": {"names": {"en": "London"}},
}
PLACES: dict[str, Value] = {
    "192.0.2.0/24": BEIJING,
    "198.51.100.0/24": {"country": {"iso_code": "GB"}},
    "198.51.100.128/25": LONDON,
    "2001:db8::/32": BEIJING,
    "203.0.113.0/24": {"continent": {"code": "AS"}, "subdivisions": [{"iso_code": "X"}]},
}


def _geo(ip_version: int = 6) -> MaxMindLocator:
    places = {cidr: place for cidr, place in PLACES.items() if ip_version == 6 or ":" not in cidr}
    return MaxMindLocator(maxminddb.open_database(io.BytesIO(write(places, ip_version)), maxminddb.MODE_FD))


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", GeoLocation("CN", ("CN-BJ",), "beijing")),
        ("198.51.100.7", GeoLocation("GB")),
        ("198.51.100.200", GeoLocation("GB", ("GB-ENG", "GB-LND"), "london")),
        ("2001:db8::7", GeoLocation("CN", ("CN-BJ",), "beijing")),
        ("203.0.113.1", UNKNOWN_LOCATION),
        ("8.8.8.8", UNKNOWN_LOCATION),
        ("2001:db9::", UNKNOWN_LOCATION),
    ],
)
def test_places(address: str, place: GeoLocation) -> None:
    """Country, subdivisions with their country, and the folded English city; what is missing is not known."""
    assert _geo().locate(ip_address(address).packed) == place


def test_database_of_ipv4_only() -> None:
    """A database without IPv6 knows no place of an IPv6 address."""
    geo = _geo(4)
    assert geo.locate(ip_address("192.0.2.7").packed).country == "CN"
    assert geo.locate(ip_address("2001:db8::7").packed) is UNKNOWN_LOCATION


def test_rules_on_places() -> None:
    """City outranks subdivision outranks country; every subdivision of a place counts; the subnet before the sender."""
    rules = (
        Rule("country", RuleConditions(country="gb"), RuleOutcome(block="nodata")),
        Rule("england", RuleConditions(subdivision="GB-ENG"), RuleOutcome(block="nodata")),
        Rule("city", RuleConditions(city="LONDON"), RuleOutcome(block="nodata"), priority=-9),
        Rule("both", RuleConditions(subdivision="GB-LND", transport="tcp"), RuleOutcome(block="nodata")),
    )
    router = route({}, *rules, geo=_geo())
    other = route({}, *rules[:2], geo=_geo())
    assert outcome(router, "www.shop.test", client("198.51.100.7")) == "rule:country"
    assert outcome(router, "www.shop.test", client("198.51.100.200")) == "rule:city"
    assert outcome(router, "www.shop.test", client("198.51.100.200", transport=TCP)) == "rule:both"
    assert outcome(other, "www.shop.test", client("198.51.100.200")) == "rule:england"
    assert outcome(router, "www.shop.test", client("198.51.100.7", subnet="192.0.2.0/24")) == ""
    assert outcome(router, "www.shop.test", client("192.0.2.1", subnet="198.51.100.128/25")) == "rule:city"


def test_reader_is_let_go() -> None:
    """Nothing keeps the database once its Geo is gone."""
    geo = _geo()
    geo.locate(bytes(4))
    gone = weakref.ref(geo)
    gc.disable()
    try:
        del geo
        assert gone() is None
    finally:
        gc.enable()
