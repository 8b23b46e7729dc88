"""Compiling beside what is served: what did not change is shared, and faults know their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from graydns.gray.geo import UNKNOWN_LOCATION, GeoLocation
from graydns.model.errors import ConfigError
from graydns.runtime.steps import run_steps
from graydns.snapshot.compiler import compile_snapshot
from graydns.sources.snapshot_loader import read_configuration
from tests.control.running import Site


class Nowhere:
    """A database that knows no place."""

    @property
    def locate(self) -> Callable[[bytes], GeoLocation]:
        return lambda address: UNKNOWN_LOCATION


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.write_main("tenants: {one: {rules: [{name: t, when: {name: x}, then: {block: nodata}}]}}\n")
    site.write()
    return site


def test_equal_policies_share_a_router(site: Site) -> None:
    """Equal digests of a tenant's zones and own rules, and the same database, mean the same Router."""
    inputs = (first := read_configuration(site.main)).to_snapshot_inputs(first.config)
    before = run_steps(compile_snapshot(1, inputs))
    again = read_configuration(site.main)
    assert (
        run_steps(compile_snapshot(2, again.to_snapshot_inputs(again.config), before)).routers["one"]
        is before.routers["one"]
    )
    for other in (
        evolve(inputs, zone_digests=dict.fromkeys(inputs.zone_digests, b"other")),
        evolve(inputs, rule_digests={"one": b"other"}),
        evolve(inputs, geo=Nowhere()),
        evolve(inputs, zone_digests={}),
    ):
        assert run_steps(compile_snapshot(2, other, before)).routers["one"] is not before.routers["one"]


def test_faults_name_their_file(site: Site) -> None:
    """Of a tenant's own rules the main file, of a zone's rules the zone's."""
    site.write_main("tenants: {one: {rules: [{name: t, when: {regex: '('}, then: {block: nodata}}]}}\n")
    site.write(more="  - {name: z, when: {regex: '['}, then: {block: nodata}}\n")
    reading = read_configuration(site.main)
    with pytest.raises(ConfigError) as caught:
        run_steps(compile_snapshot(1, reading.to_snapshot_inputs(reading.config)))
    found = {(fault.file, fault.path) for fault in caught.value.issues}
    assert (str(site.main), ("tenants", "one", "rules", 0, "when", "regex")) in found
    assert (str(site.file()), ("rules", 1, "when", "regex")) in found
