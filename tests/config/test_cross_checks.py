"""All zones together: whose name is whose, and the faults of several files at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.model.errors import ConfigError
from graydns.sources.snapshot_loader import read_configuration
from tests.config.files import brief, faults_of_main, faults_of_zones, load_zones, main_of, write_main, write_zone

SERVICE = "{default: v1, versions: {v1: {A: 192.0.2.1}}}"


def zone(name: str, tenant: str, more: str = "") -> str:
    """A zone file, *more* beginning at line 5."""
    return f"zone: {name}\ntenant_id: {tenant}\nconfig_version: 1\nsource: {{file: data}}\n{more}"


def test_zones_in_the_order_of_their_folders(tmp_path: Path) -> None:
    """Every folder with a zone-config.yaml is a zone; hidden folders and other files are not looked at."""
    for name in ("b.test", "a.test", "..data"):
        write_zone(tmp_path, zone(name.strip("."), "t"), name)
    (tmp_path / "zones/c.test").mkdir()
    (tmp_path / "zones/zone-config.yaml").touch()
    assert [each.zone for each in load_zones(main_of(tmp_path))] == [b"\1a\4test\0", b"\1b\4test\0"]


def test_no_zones(tmp_path: Path) -> None:
    """A server without zones is all right; a zones folder that is missing is not."""
    assert load_zones(main_of(tmp_path)) == ()
    assert load_zones(main_of(tmp_path, "zones: null")) == ()
    write_main(tmp_path, "data: x\nzones: nowhere\n")
    with pytest.raises(ConfigError, match=r"graydns\.yaml:2:8: zones: found .*, expected a readable folder, or null"):
        read_configuration(tmp_path / "graydns.yaml")


def test_faults_of_all_files(tmp_path: Path) -> None:
    """One wrong file hides neither another's faults nor those between the others."""
    write_zone(tmp_path, "zone: x\n", "a")
    write_zone(tmp_path, "zone: [", "b")
    write_zone(tmp_path, zone("c.test", "t"), "c")
    write_zone(tmp_path, zone("C.test.", "t"), "d")
    (tmp_path / "zones/e").mkdir()
    (tmp_path / "zones/e/zone-config.yaml").symlink_to("gone")
    files = [Path(fault.file).parent.name for fault in faults_of_zones(main_of(tmp_path))]
    assert files == ["a", "a", "a", "b", "d", "e"]


@pytest.mark.parametrize(
    ("first", "second", "place"),
    [
        (zone("a.test", "t"), zone("A.test.", "t"), "b 1:7 zone: 'a.test', also in "),
        (zone("a.test", "t"), zone("b.a.test", "u"), "b 1:7 zone: 'b.a.test', a name below another tenant's zone"),
        (
            zone("a.test", "t", f"services: {{x.b.a.test: {SERVICE}}}\ndelegates: [b.a.test]\n"),
            zone("b.a.test", "u"),
            "a 5:12 services.x.b.a.test: 'x.b.a.test', a name below another tenant's zone",
        ),
        (
            zone("a.test", "t", f"services: {{x.b.a.test: {SERVICE}}}\n"),
            zone("b.a.test", "t", f"services: {{X.b.a.test: {SERVICE}}}\n"),
            "b 5:12 services.x.b.a.test: 'x.b.a.test', also in ",
        ),
        (
            zone("a.test", "t"),
            zone("b.test", "t", "rules: [{name: r, then: {upstream: nobody}}]\n"),
            "b 5:36 rules.0.then.upstream: the unknown upstream 'nobody'",
        ),
    ],
)
def test_conflicts(tmp_path: Path, first: str, second: str, place: str) -> None:
    """Two zones that cannot both be right are a fault at one of them."""
    write_zone(tmp_path, first, "a")
    write_zone(tmp_path, second, "b")
    (fault,) = faults_of_zones(main_of(tmp_path))
    assert f"{Path(fault.file).parent.name} {brief(fault)}".startswith(place)


def test_delegated_names(tmp_path: Path) -> None:
    """A zone of another tenant is welcome where it is delegated, with its services, and so is a listed service."""
    write_zone(tmp_path, zone("a.test", "t", f"services: {{x.b.a.test: {SERVICE}}}\ndelegates: [b.a.test]\n"), "a")
    more = f"services: {{y.b.a.test: {SERVICE}}}\ndelegates: [x.b.a.test]\n"
    write_zone(tmp_path, zone("b.a.test", "u", more), "b")
    write_zone(tmp_path, zone("c.a.test", "t"), "c")
    assert len(load_zones(main_of(tmp_path))) == 3


RULE = "tenants:\n  t: {rules: [{name: r, then: {version: VERSION}}]}\n"


def test_versions_of_a_tenants_rules(tmp_path: Path) -> None:
    """A rule across zones names a version of a service in one of its tenant's zones, no other's."""
    write_zone(tmp_path, zone("a.test", "t", f"services: {{x.a.test: {SERVICE}}}\n"), "a")
    write_zone(tmp_path, zone("b.test", "u", f"services: {{x.b.test: {SERVICE.replace('v1', 'v2')}}}\n"), "b")
    assert len(load_zones(main_of(tmp_path, RULE.replace("VERSION", "v1")))) == 2
    (fault,) = faults_of_zones(main_of(tmp_path, RULE.replace("VERSION", "v2")))
    assert brief(fault) == "2:41 tenants.t.rules.0.then.version: the unknown version 'v2'"
    assert fault.file == str(tmp_path / "graydns.yaml")


def test_a_zone_rule_named_like_its_tenants_rule(tmp_path: Path) -> None:
    """Rules that see the same queries need different names; rules of different zones do not."""
    for name in ("a.test", "b.test"):
        write_zone(tmp_path, zone(name, "t", "rules: [{name: same, then: {block: nodata}}]\n"), name)
    assert len(load_zones(main_of(tmp_path))) == 2
    config = main_of(tmp_path, "tenants: {t: {rules: [{name: same, then: {block: refused}}]}}\n")
    assert [brief(fault).split(":")[0] for fault in faults_of_zones(config)] == ["5", "5"]


def test_main_faults_come_first(tmp_path: Path) -> None:
    """Zones are not judged against a main file that is wrong itself."""
    assert len(faults_of_main(tmp_path, "zones: 1\nlimits: 2\n")) == 1
