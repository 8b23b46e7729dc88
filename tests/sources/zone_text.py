"""Zone text for tests of the reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.name import from_text
from graydns.sources.zone_file import LoadedZone, load_zone_file

ORIGIN = from_text("zone.test")

APEX = "@ 300 SOA ns.invalid. hostmaster.invalid. 1 7200 900 1209600 60\n@ 300 NS ns.invalid.\n"


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
