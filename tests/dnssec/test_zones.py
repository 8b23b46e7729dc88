"""What is remembered of zones, and how much of it."""

from __future__ import annotations

from graydns.dnssec.keys import Key, KeySet
from graydns.dnssec.zones import LARGEST, NAME_SIZE, Zone, Zones
from graydns.model.name import from_text
from graydns.model.proof import Security
from tests.dnssec.signing import Zone as Signed

FOREVER = 1e12


def test_zones_with_many_keys_do_not_take_all_memory() -> None:
    """What is bounded is what it takes to remember them; the least recently used goes first."""
    zones, key = Zones(), Signed().octets
    first = None
    for number in range(200):
        name = from_text(f"z{number}.test.")
        keys = KeySet.of(name, [Key(key) for _ in range(800)])
        zones.keep(name, Zone(name, Security.SECURE, keys, expires=FOREVER), 0.0)
        first = first or name
        assert zones.octets <= LARGEST
    assert first is not None
    assert zones.find(first, 1.0) is None
    assert zones.find(from_text("z199.test."), 1.0) is not None


def test_names_of_a_zone_share_its_keys() -> None:
    zones, name = Zones(), from_text("test.")
    zone = Zone(name, Security.SECURE, KeySet.of(name, [Key(Signed().octets)]), expires=FOREVER)
    zones.keep(name, zone, 0.0)
    before = zones.octets
    zones.keep(from_text("a.test."), zone, 0.0)
    assert zones.octets == before + NAME_SIZE + 2 * len(from_text("a.test."))
    found = zones.find(from_text("a.test."), 1.0)
    assert found is not None
    assert found.keys is zone.keys


def test_names_of_a_zone_that_went_go_with_it() -> None:
    """They hold no keys, so without the zone nothing is known of them."""
    zones, name, below = Zones(), from_text("test."), from_text("a.test.")
    zone = Zone(name, Security.SECURE, KeySet.of(name, [Key(Signed().octets)]), expires=5.0)
    zones.keep(name, zone, 0.0)
    zones.keep(below, zone, 0.0)
    assert zones.find(below, 4.0) is not None
    zones.keep(name, Zone(name, Security.INSECURE, expires=3.0), 0.0)
    assert zones.find(name, 3.0) is None
    assert zones.find(below, 4.0) is None
    assert zones.octets == 0


def test_books_are_kept_whatever_happens() -> None:
    """Replaced, expired, forgotten: in the end nothing is left."""
    zones = Zones()
    for number in range(10):
        name = from_text(f"z{number % 3}.test.")
        keys = KeySet.of(name, [Key(Signed().octets)]) if number % 2 else None
        security = Security.SECURE if keys else Security.INSECURE
        zones.keep(name, Zone(name, security, keys, expires=float(number)), 0.0)
    zones.find(from_text("z0.test."), 100.0)
    zones = zones.without(from_text("z1.test."))
    zones.find(from_text("z2.test."), 100.0)
    assert (zones.octets, zones.size) == (0, 0)
