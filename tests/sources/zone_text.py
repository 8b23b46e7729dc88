"""Zone text for tests of the reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.authority.zone_data import build_zone
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.name import from_text
from graydns.runtime.steps import run_steps
from graydns.sources.zone_file import LoadedZone, parse_zone

ORIGIN = from_text("zone.test")

APEX = "@ 300 SOA ns.invalid. hostmaster.invalid. 1 7200 900 1209600 60\n@ 300 NS ns.invalid.\n"


def load_zone_file(path: Path, origin: bytes, folder: Path) -> LoadedZone:
    """The zone *origin*, from *path* and what that includes, all below *folder*. Raises ConfigError."""
    parsed = parse_zone(path, origin, folder)
    if parsed.issues:
        raise ConfigError(parsed.issues)
    zone = run_steps(build_zone(parsed.origin, parsed.rows, count=parsed.count))
    return LoadedZone(zone, parsed.digest, parsed.files, parsed.warnings)


def load_text(folder: Path, text: str, *, apex: str = APEX) -> LoadedZone:
    """The zone of *text*, which comes after two lines of apex."""
    path = folder / "zone.test.zone"
    path.write_text(apex + text)
    return load_zone_file(path, ORIGIN, folder)


def faults_of(folder: Path, text: str, *, apex: str = APEX) -> tuple[ConfigIssue, ...]:
    with pytest.raises(ConfigError) as caught:
        load_text(folder, text, apex=apex)
    return caught.value.issues


def texts_of(loaded: LoadedZone, name: str) -> dict[int, tuple[int, tuple[bytes, ...]]]:
    return dict(loaded.zone.node(from_text(name)) or {})
