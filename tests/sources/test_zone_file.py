"""From a path to a Zone: here or in a child; and what a reload compares."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.model.dns_parameters import A
from graydns.model.errors import ConfigError
from graydns.model.name import from_text
from graydns.sources.file_reader import MAX_INLINE_ZONE_BYTES, ReadJob
from graydns.sources.reading import Reading
from graydns.sources.record_source import RecordSources
from graydns.sources.snapshot_loader import run_read_job
from graydns.sources.zone_file import LoadedZone, check_serial
from tests.sources.zone_text import APEX, ORIGIN, load_text, load_zone_file, texts_of

LAST = 29_999


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zone file that is read in a child process."""
    path = tmp_path_factory.mktemp("large") / "zones" / "zone.test" / "zone.test.zone"
    path.parent.mkdir(parents=True)
    lines = (
        f"host{number:05d}.some-department 300 IN A 10.0.{number >> 8}.{number & 255}\n" for number in range(LAST + 1)
    )
    path.write_text(APEX + "".join(lines) + "www.other.test. 60 A 192.0.2.1\n")
    assert path.stat().st_size > MAX_INLINE_ZONE_BYTES
    return path


def check(loaded: LoadedZone) -> None:
    assert loaded.zone.size == LAST + 3
    assert texts_of(loaded, f"host{LAST}.some-department.zone.test") == {A: (300, (bytes((10, 0, 117, 47)),))}
    assert "www.other.test is not in the zone" in loaded.warnings[0]


def read(large: Path) -> Reading:
    """What the server reads where *large* has the data of the zone."""
    (large.parent / "zone-config.yaml").write_text(
        'zone: zone.test\ntenant_id: t\nconfig_version: "1"\nsource: {file: zone.test.zone}\n'
    )
    main = large.parents[2] / "graydns.yaml"
    main.write_text("forward: {}\n")
    return run_read_job(ReadJob(main), RecordSources())


@pytest.mark.integration
def test_a_large_file_is_read_by_a_child(large: Path) -> None:
    """The rows come back whole, with the warnings."""
    (entry,) = read(large).zones.values()
    check(entry.loaded)


@pytest.mark.integration
def test_faults_come_back_from_a_child(large: Path) -> None:
    """As if they had been found here."""
    text = large.read_text()
    large.write_text(text + "x NOSUCH y\n")
    try:
        (issues,) = read(large).issues.values()
    finally:
        large.write_text(text)
    assert [issue.line for issue in issues] == [LAST + 5]


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(ConfigError, match="No such file"):
        load_zone_file(tmp_path / "none", ORIGIN, tmp_path)


def test_the_digest_tells_contents_apart(tmp_path: Path) -> None:
    """Included files count; the same again is the same."""
    (tmp_path / "hosts").write_text("a 60 A 192.0.2.1\n")
    first = load_text(tmp_path, "$INCLUDE hosts\n")
    assert load_text(tmp_path, "$INCLUDE hosts\n").digest == first.digest
    (tmp_path / "hosts").write_text("a 60 A 192.0.2.2\n")
    assert load_text(tmp_path, "$INCLUDE hosts\n").digest != first.digest


def test_a_change_without_a_new_serial_is_told(tmp_path: Path) -> None:
    """Equal contents and raised serials are silent."""
    first = load_text(tmp_path, "a 60 A 192.0.2.1\n")
    changed = load_text(tmp_path, "a 60 A 192.0.2.2\n")
    raised = load_text(tmp_path, "a 60 A 192.0.2.2\n", apex=APEX.replace(" 1 7200", " 2 7200"))
    assert check_serial(first, first) is None
    assert check_serial(first, raised) is None
    assert check_serial(first, changed) == "zone.test: changed, but its serial is still 1"


def test_the_demo_zone_has_one_of_everything() -> None:
    """What the documentation shows is there, without a warning."""
    folder = Path(__file__).parents[2] / "zones" / "shop.test"
    loaded = load_zone_file(folder / "shop.test.zone", from_text("shop.test"), folder)
    assert loaded.warnings == ()
    node = loaded.zone.node
    assert sum(len(text) for text in (node(from_text("big.shop.test")) or {})[16].rdatas) > 1232
    assert node(from_text("rack1.dc.shop.test")) == {}
    assert node(from_text("api.shop.test")) is not None
