"""The examples in docs/ are what a user can start with."""

from __future__ import annotations

from pathlib import Path

from graydns.sources.snapshot_loader import load_snapshot

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_example_with_consul_is_right() -> None:
    """It compiles without a fault or a warning."""
    snapshot, warnings = load_snapshot(DOCS / "consul-example" / "graydns.yaml")
    assert warnings == ()
    assert [file.zone for file in snapshot.zone_files] == [b"\3app\4test\0"]
