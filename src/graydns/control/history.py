"""History: the last snapshots and what each was made from, in the folder ``history`` of the data folder.

A snapshot has a JSON file that says when, why and from which inputs it was made, and a pack file with the inputs that
no earlier snapshot has, compressed. An unchanged zone is stored once, and a change costs two small files.
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
from graydns.sources.file_reader import ArchivedZone, ReadJob
from graydns.sources.parser_frames import ZoneDataLocation
from graydns.sources.reading import Reading

#: Snapshots that can be rolled back to.
MAX_SNAPSHOTS = 20

_FORMAT_VERSION = 1


@frozen
class SnapshotRecord:
    """One snapshot: its *number*, when it was made (Unix seconds), what triggered it, who asked, and its changes."""

    number: int
    at: float
    trigger: str
    actor: str
    changes: ReadingDiff = field(factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """The record for the JSON file and for operators."""
        return {
            "number": self.number,
            "at": self.at,
            "trigger": self.trigger,
            "actor": self.actor,
            "changes": self.changes,
        }


@define
class SnapshotHistory:
    """Reads and writes *folder*. Everything but ``records`` blocks on the disk: call it in a thread."""

    folder: Path
    records: tuple[SnapshotRecord, ...] = field(init=False, default=())
    _blobs: dict[str, tuple[int, int, int]] = field(init=False, factory=dict, repr=False)
    _packs_by_snapshot: dict[int, frozenset[int]] = field(init=False, factory=dict, repr=False)
    _last: dict[str, Any] = field(init=False, factory=dict, repr=False)

    def open(self) -> None:
        """Read what is there. Raises OSError; files that are not valid are ignored."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for path in sorted(self.folder.glob("*.json")):
            with suppress(ValueError, KeyError, TypeError):
                data = json.loads(path.read_bytes())
                found.append(self._register(data))
                self._last = data
        self.records = tuple(found[-MAX_SNAPSHOTS:])

    def next_number(self) -> int:
        """The number of the next snapshot."""
        return self.records[-1].number + 1 if self.records else 1

    def find_number(self, reading: Reading) -> int | None:
        """The number of the last snapshot if its inputs were those of *reading*, else None."""
        same = self._last and self._last["inputs"] == _list_inputs(reading)
        return int(self._last["number"]) if same else None

    def add(self, record: SnapshotRecord, reading: Reading) -> None:
        """Store *record* with its inputs, those of *reading*. Raises OSError, and then nothing has changed."""
        inputs = _list_inputs(reading)
        pack = self.folder / f"{record.number:08}.pack"
        locations: dict[str, tuple[int, int, int]] = {}
        fresh, offset = [], 0
        for name in _blob_names(inputs):
            if name in self._blobs or name in locations:
                continue
            blob = reading.blobs[name]
            fresh.append(blob)
            locations[name] = record.number, offset, len(blob)
            offset += len(blob)
        if fresh:
            write_durably(pack, fresh)
        blobs = {name: (locations.get(name) or self._blobs[name]) for name in _blob_names(inputs)}
        data = {"format": _FORMAT_VERSION, **record.to_plain(), "inputs": inputs, "blobs": blobs}
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
        """The job that reads the inputs of snapshot *number*. Raises LookupError, OSError, ValueError."""
        path = self.folder / f"{number:08}.json"
        data = json.loads(path.read_bytes())
        zones = {
            Path(zone["path"]): ArchivedZone(
                compressed_config=self._read(data, zone["file"]),
                compressed_rows=self._read(data, zone["data"]),
                location=_read_location(zone),
            )
            for zone in data["inputs"]["zones"]
        }
        return ReadJob(main, archive=zones, archived_main=self._read(data, data["inputs"]["main"]))

    def _read(self, data: Mapping[str, Any], name: str) -> bytes:
        number, offset, size = data["blobs"][name]
        with (self.folder / f"{number:08}.pack").open("rb") as pack:
            pack.seek(offset)
            blob = pack.read(size)
        if len(blob) < size:
            raise ValueError(f"{name} is truncated in {number:08}.pack")
        return blob

    def _register(self, data: Mapping[str, Any]) -> SnapshotRecord:
        record = SnapshotRecord(data["number"], data["at"], data["trigger"], data["actor"], data["changes"])
        locations = {name: (number, offset, size) for name, (number, offset, size) in data["blobs"].items()}
        self._blobs.update(locations)
        self._packs_by_snapshot[record.number] = frozenset(location[0] for location in locations.values())
        return record

    def _remove_unneeded(self) -> None:
        """Remove the files that no snapshot of ``records`` needs."""
        numbers = {record.number for record in self.records}
        for number in [number for number in self._packs_by_snapshot if number not in numbers]:
            (self.folder / f"{number:08}.json").unlink(missing_ok=True)
            del self._packs_by_snapshot[number]
        needed_packs = frozenset().union(*self._packs_by_snapshot.values())
        for pack in self.folder.glob("*.pack"):
            if int(pack.stem) not in needed_packs:
                pack.unlink(missing_ok=True)
        self._blobs = {name: location for name, location in self._blobs.items() if location[0] in needed_packs}


def select_needed_blobs(reading: Reading) -> dict[str, bytes]:
    """The blobs of *reading* that are its inputs."""
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
                **_format_location(entry.data_location),
            }
            for entry in reading.zones.values()
        ],
    }


def _format_location(location: ZoneDataLocation | None) -> dict[str, str]:
    """Where the data were; empty texts for records that came from no file."""
    if location is None:
        return {"source": "", "folder": "", "wanted": ""}
    return {
        "source": str(location.path),
        "folder": str(location.folder),
        "wanted": str(location.unresolved_path),
    }


def _read_location(zone: Mapping[str, str]) -> ZoneDataLocation | None:
    if not zone["source"]:
        return None
    return ZoneDataLocation(from_text(zone["zone"]), Path(zone["source"]), Path(zone["folder"]), Path(zone["wanted"]))


def _blob_names(inputs: Mapping[str, Any]) -> Iterator[str]:
    yield inputs["main"]
    for zone in inputs["zones"]:
        yield zone["file"]
        yield zone["data"]
