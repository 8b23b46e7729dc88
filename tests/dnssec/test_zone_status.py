"""What is remembered of zones, and how much of it."""

from __future__ import annotations

from graydns.dnssec.zone_keys import ZoneKey, ZoneKeySet
from graydns.dnssec.zone_status import MAX_CACHE_BYTES, NAME_BYTES, ZoneStatus, ZoneStatusCache
from graydns.model.dnssec_values import Security
from graydns.model.name import from_text
from tests.dnssec.signing import Zone as Signed

FOREVER = 1e12


def test_zones_with_many_keys_do_not_take_all_memory() -> None:
    """What is bounded is what it takes to remember them; the least recently used goes first."""
    zones, key = ZoneStatusCache(), Signed().octets
    first = None
    for number in range(200):
        name = from_text(f"z{number}.test.")
        keys = ZoneKeySet.from_keys(name, [ZoneKey(key) for _ in range(800)])
        zones.store(name, ZoneStatus(name, Security.SECURE, keys, expires=FOREVER), 0.0)
        first = first or name
        assert zones.octets <= MAX_CACHE_BYTES
    assert first is not None
    assert zones.find(first, 1.0) is None
    assert zones.find(from_text("z199.test."), 1.0) is not None


def test_names_of_a_zone_share_its_keys() -> None:
    zones, name = ZoneStatusCache(), from_text("test.")
    zone = ZoneStatus(name, Security.SECURE, ZoneKeySet.from_keys(name, [ZoneKey(Signed().octets)]), expires=FOREVER)
    zones.store(name, zone, 0.0)
    before = zones.octets
    zones.store(from_text("a.test."), zone, 0.0)
    assert zones.octets == before + NAME_BYTES + 2 * len(from_text("a.test."))
    found = zones.find(from_text("a.test."), 1.0)
    assert found is not None
    assert found.keys is zone.keys


def test_names_of_a_zone_that_went_go_with_it() -> None:
    """They hold no keys, so without the zone nothing is known of them."""
    zones, name, below = ZoneStatusCache(), from_text("test."), from_text("a.test.")
    zone = ZoneStatus(name, Security.SECURE, ZoneKeySet.from_keys(name, [ZoneKey(Signed().octets)]), expires=5.0)
    zones.store(name, zone, 0.0)
    zones.store(below, zone, 0.0)
    assert zones.find(below, 4.0) is not None
    zones.store(name, ZoneStatus(name, Security.INSECURE, expires=3.0), 0.0)
    assert zones.find(name, 3.0) is None
    assert zones.find(below, 4.0) is None
    assert zones.octets == 0


def test_books_are_kept_whatever_happens() -> None:
    """Replaced, expired, forgotten: in the end nothing is left."""
    zones = ZoneStatusCache()
    for number in range(10):
        name = from_text(f"z{number % 3}.test.")
        keys = ZoneKeySet.from_keys(name, [ZoneKey(Signed().octets)]) if number % 2 else None
        security = Security.SECURE if keys else Security.INSECURE
        zones.store(name, ZoneStatus(name, security, keys, expires=float(number)), 0.0)
    zones.find(from_text("z0.test."), 100.0)
    zones = zones.without(from_text("z1.test."))
    zones.find(from_text("z2.test."), 100.0)
    assert (zones.octets, zones.size) == (0, 0)
