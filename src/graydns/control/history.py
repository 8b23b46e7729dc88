"""History: the last snapshots, each with what it was made from, below ``history/`` in the data folder.

A snapshot has a JSON file that tells when, why and of what, and a pack with those inputs that no earlier snapshot has,
compressed. So an unchanged zone is kept once, and a change costs two small files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from graydns.control.reading_diff import ReadingDiff
from graydns.model.name import from_text, to_text
from graydns.runtime.disk import write_durably
from graydns.sources.file_reader import ArchivedZone, ReadJob, ZoneDataLocation
from graydns.sources.reading import Reading

#: Snapshots that can be gone back to.
MAX_SNAPSHOTS = 20

_FORMAT_VERSION = 1


@frozen
class SnapshotRecord:
    """One snapshot: its *number*, Unix seconds, who and what brought it about, and what it changed."""

    number: int
    at: float
    trigger: str
    actor: str
    changes: ReadingDiff = field(factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """As operators see it."""
        return {
            "number": self.number,
            "at": self.at,
            "trigger": self.trigger,
            "actor": self.actor,
            "changes": self.changes,
        }


@define
class SnapshotHistory:
    """Reads and writes *folder*; every method but ``records`` waits for the disk: call it in a thread."""

    folder: Path
    records: tuple[SnapshotRecord, ...] = field(init=False, default=())
    _blobs: dict[str, tuple[int, int, int]] = field(init=False, factory=dict, repr=False)
    _packs_by_snapshot: dict[int, frozenset[int]] = field(init=False, factory=dict, repr=False)
    _last: dict[str, Any] = field(init=False, factory=dict, repr=False)

    def open(self) -> None:
        """Find what is there. Raises OSError; files that cannot be made sense of are left out."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for path in sorted(self.folder.glob("*.json")):
            with suppress(ValueError, KeyError, TypeError):
                data = json.loads(path.read_bytes())
                found.append(self._register(data))
                self._last = data
        self.records = tuple(found[-MAX_SNAPSHOTS:])

    def next_number(self) -> int:
        """The number for a new snapshot."""
        return self.records[-1].number + 1 if self.records else 1

    def find_number(self, reading: Reading) -> int | None:
        """The number of the last snapshot, if it was made of just what *reading* says."""
        same = self._last and self._last["inputs"] == _list_inputs(reading)
        return int(self._last["number"]) if same else None

    def add(self, record: SnapshotRecord, reading: Reading) -> None:
        """Keep *record* and what it was made of. Raises OSError, and then nothing has changed."""
        inputs = _list_inputs(reading)
        pack = self.folder / f"{record.number:08}.pack"
        places: dict[str, tuple[int, int, int]] = {}
        fresh, at = [], 0
        for name in _blob_names(inputs):
            if name in self._blobs or name in places:
                continue
            blob = reading.blobs[name]
            fresh.append(blob)
            places[name] = record.number, at, len(blob)
            at += len(blob)
        if fresh:
            write_durably(pack, fresh)
        where = {name: (places.get(name) or self._blobs[name]) for name in _blob_names(inputs)}
        data = {"format": _FORMAT_VERSION, **record.to_plain(), "inputs": inputs, "blobs": where}
        try:
            write_durably(self.folder / f"{record.number:08}.json", [json.dumps(data).encode()])
        except OSError:
            pack.unlink(missing_ok=True)
            raise
        self._register(data)
        self._last = data
        self.records = (*self.records, record)[-MAX_SNAPSHOTS:]
        self._remove_unneeded()

    def read_job(self, number: int, main: Path) -> ReadJob:
        """What reads snapshot *number* again. Raises LookupError, OSError, ValueError."""
        path = self.folder / f"{number:08}.json"
        data = json.loads(path.read_bytes())
        zones = {
            Path(zone["path"]): ArchivedZone(
                compressed_config=self._read(data, zone["file"]),
                compressed_rows=self._read(data, zone["data"]),
                location=ZoneDataLocation(
                    from_text(zone["zone"]), Path(zone["source"]), Path(zone["folder"]), Path(zone["wanted"])
                ),
            )
            for zone in data["inputs"]["zones"]
        }
        return ReadJob(main, archive=zones, archived_main=self._read(data, data["inputs"]["main"]))

    def _read(self, data: Mapping[str, Any], name: str) -> bytes:
        number, at, size = data["blobs"][name]
        with (self.folder / f"{number:08}.pack").open("rb") as pack:
            pack.seek(at)
            blob = pack.read(size)
        if len(blob) < size:
            raise ValueError(f"{name} is cut short")
        return blob

    def _register(self, data: Mapping[str, Any]) -> SnapshotRecord:
        record = SnapshotRecord(data["number"], data["at"], data["trigger"], data["actor"], data["changes"])
        places = {name: (place[0], place[1], place[2]) for name, place in data["blobs"].items()}
        self._blobs.update(places)
        self._packs_by_snapshot[record.number] = frozenset(place[0] for place in places.values())
        return record

    def _remove_unneeded(self) -> None:
        """Remove what no snapshot of ``records`` needs."""
        kept = {record.number for record in self.records}
        for number in [number for number in self._packs_by_snapshot if number not in kept]:
            (self.folder / f"{number:08}.json").unlink(missing_ok=True)
            del self._packs_by_snapshot[number]
        select_needed_blobs = frozenset().union(*self._packs_by_snapshot.values())
        for pack in self.folder.glob("*.pack"):
            if int(pack.stem) not in select_needed_blobs:
                pack.unlink(missing_ok=True)
        self._blobs = {name: place for name, place in self._blobs.items() if place[0] in select_needed_blobs}


def select_needed_blobs(reading: Reading) -> dict[str, bytes]:
    """Those of its blobs that *reading* is made of."""
    names = set(_blob_names(_list_inputs(reading)))
    return {name: blob for name, blob in reading.blobs.items() if name in names}


def _list_inputs(reading: Reading) -> dict[str, Any]:
    return {
        "main": reading.main.blob_name,
        "zones": [
            {
                "zone": to_text(entry.config.zone),
                "path": str(entry.path),
                "file": entry.blob_name,
                "data": entry.data_blob_name,
                "source": str(entry.data_location.path),
                "folder": str(entry.data_location.folder),
                "wanted": str(entry.data_location.unresolved_path),
            }
            for entry in reading.zones.values()
        ],
    }


def _blob_names(inputs: Mapping[str, Any]) -> Iterator[str]:
    yield inputs["main"]
    for zone in inputs["zones"]:
        yield zone["file"]
        yield zone["data"]
