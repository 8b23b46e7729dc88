"""Zone and ZoneTable: built in steps, small, found by longest suffix, gone when nobody holds them."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from graydns.authority.zone_data import ROWS_PER_STEP, StoredRRset, Zone, ZoneTable, build_zone, pack_node, pack_record
from graydns.model.dns_parameters import NS, SOA, A
from graydns.model.name import from_text
from graydns.runtime.steps import run_steps
from tests.authority.lookups import make_zone, rdata_wire

ORIGIN = from_text("zone.test")
APEX = pack_node(
    {
        SOA: StoredRRset(900, (rdata_wire("SOA", "ns.invalid. h.invalid. 2026112201 1 2 3 60"),)),
        NS: StoredRRset(900, (rdata_wire("NS", "ns.invalid."),)),
    }
)


def built(*names: str, count: int = 10) -> Zone:
    rows = [(ORIGIN, APEX), *((from_text(name), pack_record(A, 300, bytes(4))) for name in names)]
    return run_steps(build_zone(ORIGIN, rows, count=count))


def test_empty_non_terminals_are_added() -> None:
    """Names between a name and the apex exist, without records."""
    zone = built("a.b.c.zone.test")
    assert zone.node(from_text("b.c.zone.test")) == {}
    assert zone.node(from_text("c.zone.test")) == {}
    assert zone.node(from_text("x.c.zone.test")) is None
    assert zone.size == 4


@pytest.mark.parametrize("names", [("c.zone.test", "a.b.c.zone.test"), ("a.b.c.zone.test", "c.zone.test")])
def test_order_of_rows_does_not_matter(names: tuple[str, ...]) -> None:
    """A name that has records keeps them, whether names below it come before or after."""
    assert built(*names).node(from_text("c.zone.test")) == {A: StoredRRset(300, (bytes(4),))}


def test_building_pauses() -> None:
    """A large zone is built in many short steps."""
    rows = [
        (ORIGIN, APEX),
        *((from_text(f"h{n}.zone.test"), pack_record(A, 1, bytes(4))) for n in range(5 * ROWS_PER_STEP)),
    ]
    assert sum(1 for _ in build_zone(ORIGIN, rows, count=len(rows))) > 5


def test_names_are_spread_over_shards() -> None:
    """No dictionary of a large zone grows so large that copying it would be felt."""
    zone = built(*(f"h{number}.zone.test" for number in range(2000)), count=1_000_000)
    assert len(zone.shards) >= 128
    assert max(map(len, zone.shards)) < 100
    assert len(built("a.zone.test").shards) == 1


def test_a_zone_needs_its_apex() -> None:
    """Without SOA and NS there is no zone."""
    with pytest.raises(ValueError, match="SOA"):
        run_steps(build_zone(ORIGIN, [], count=0))


def test_serial_and_negative_ttl() -> None:
    """Both are read from the SOA."""
    zone = built()
    assert zone.serial == 2026112201
    assert zone.negative_ttl == 60


def test_services_exist_without_rows() -> None:
    """A service and the names above it exist; the records stay shared with the zone without it."""
    zone = built("www.zone.test")
    other = zone.with_services(frozenset((from_text("api.eu.zone.test"), from_text("elsewhere.test"))))
    assert other.node(from_text("api.eu.zone.test")) == {}
    assert other.node(from_text("eu.zone.test")) == {}
    assert other.node(from_text("us.zone.test")) is None
    assert zone.node(from_text("eu.zone.test")) is None
    assert other.shards is zone.shards
    assert other is not zone


def test_a_zone_dies_by_reference_count(tmp_path: Path) -> None:
    """A zone that was replaced is gone at once, without a collection."""
    gc.disable()
    try:
        zone = make_zone(tmp_path, "zone.test", "a.b A 192.0.2.1\n", ["api.zone.test"])
        seen = weakref.ref(zone)
        del zone
        assert seen() is None
    finally:
        gc.enable()


def test_rows_are_nothing_to_the_collector() -> None:
    """The garbage collector does not walk the names of a zone."""
    zone = built("a.zone.test", "b.zone.test")
    assert not any(gc.is_tracked(shard) for shard in zone.shards)


def test_the_longest_origin_is_found(tmp_path: Path) -> None:
    """Of zones in one another the innermost answers."""
    outer, inner = (make_zone(tmp_path, origin, "") for origin in ("zone.test", "sub.zone.test"))
    zones = ZoneTable({zone.origin: zone for zone in (outer, inner)})
    assert zones.find(from_text("a.sub.zone.test")) is inner
    assert zones.find(from_text("sub.zone.test")) is inner
    assert zones.find(from_text("asub.zone.test")) is outer
    assert zones.find(from_text("test")) is None
    assert set(zones) == {outer, inner}


def test_the_zone_above_is_the_one_that_delegates(tmp_path: Path) -> None:
    """A parent that knows nothing of the delegation does not count."""
    inner = make_zone(tmp_path, "sub.zone.test", "")
    silent = make_zone(tmp_path, "zone.test", "")
    assert ZoneTable({zone.origin: zone for zone in (inner, silent)}).find_parent(inner) is None
    telling = make_zone(tmp_path, "zone.test", "sub NS ns.invalid.\n")
    assert ZoneTable({zone.origin: zone for zone in (inner, telling)}).find_parent(inner) is telling
    assert ZoneTable({inner.origin: inner}).find_parent(inner) is None
