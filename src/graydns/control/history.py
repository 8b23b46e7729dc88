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

from graydns.control.changes import Changes
from graydns.control.disk import write_durably
from graydns.model.name import from_text, to_text
from graydns.sources.examine import Archived, Job, Place
from graydns.sources.reading import Reading

#: Snapshots that can be gone back to.
MOST = 20

_FORMAT = 1


@frozen
class Record:
    """One snapshot: its *number*, Unix seconds, who and what brought it about, and what it changed."""

    number: int
    at: float
    trigger: str
    actor: str
    changes: Changes = field(factory=dict)

    def plain(self) -> dict[str, Any]:
        """As operators see it."""
        return {
            "number": self.number,
            "at": self.at,
            "trigger": self.trigger,
            "actor": self.actor,
            "changes": self.changes,
        }


@define
class History:
    """Reads and writes *folder*; every method but ``records`` waits for the disk: call it in a thread."""

    folder: Path
    records: tuple[Record, ...] = field(init=False, default=())
    _blobs: dict[str, tuple[int, int, int]] = field(init=False, factory=dict, repr=False)
    _needs: dict[int, frozenset[int]] = field(init=False, factory=dict, repr=False)
    _last: dict[str, Any] = field(init=False, factory=dict, repr=False)

    def open(self) -> None:
        """Find what is there. Raises OSError; files that cannot be made sense of are left out."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for path in sorted(self.folder.glob("*.json")):
            with suppress(ValueError, KeyError, TypeError):
                data = json.loads(path.read_bytes())
                found.append(self._learn(data))
                self._last = data
        self.records = tuple(found[-MOST:])

    def next_number(self) -> int:
        """The number for a new snapshot."""
        return self.records[-1].number + 1 if self.records else 1

    def holds(self, reading: Reading) -> int | None:
        """The number of the last snapshot, if it was made of just what *reading* says."""
        same = self._last and self._last["inputs"] == _inputs(reading)
        return int(self._last["number"]) if same else None

    def add(self, record: Record, reading: Reading) -> None:
        """Keep *record* and what it was made of. Raises OSError, and then nothing has changed."""
        inputs = _inputs(reading)
        pack = self.folder / f"{record.number:08}.pack"
        places: dict[str, tuple[int, int, int]] = {}
        fresh, at = [], 0
        for name in _names(inputs):
            if name in self._blobs or name in places:
                continue
            blob = reading.blobs[name]
            fresh.append(blob)
            places[name] = record.number, at, len(blob)
            at += len(blob)
        if fresh:
            write_durably(pack, fresh)
        where = {name: (places.get(name) or self._blobs[name]) for name in _names(inputs)}
        data = {"format": _FORMAT, **record.plain(), "inputs": inputs, "blobs": where}
        try:
            write_durably(self.folder / f"{record.number:08}.json", [json.dumps(data).encode()])
        except OSError:
            pack.unlink(missing_ok=True)
            raise
        self._learn(data)
        self._last = data
        self.records = (*self.records, record)[-MOST:]
        self._tidy()

    def job(self, number: int, main: Path) -> Job:
        """What reads snapshot *number* again. Raises LookupError, OSError, ValueError."""
        path = self.folder / f"{number:08}.json"
        data = json.loads(path.read_bytes())
        zones = {
            Path(zone["path"]): Archived(
                raw=self._read(data, zone["file"]),
                data=self._read(data, zone["data"]),
                place=Place(from_text(zone["zone"]), Path(zone["source"]), Path(zone["folder"]), Path(zone["wanted"])),
            )
            for zone in data["inputs"]["zones"]
        }
        return Job(main, archive=zones, archived_main=self._read(data, data["inputs"]["main"]))

    def _read(self, data: Mapping[str, Any], name: str) -> bytes:
        number, at, size = data["blobs"][name]
        with (self.folder / f"{number:08}.pack").open("rb") as pack:
            pack.seek(at)
            blob = pack.read(size)
        if len(blob) < size:
            raise ValueError(f"{name} is cut short")
        return blob

    def _learn(self, data: Mapping[str, Any]) -> Record:
        record = Record(data["number"], data["at"], data["trigger"], data["actor"], data["changes"])
        places = {name: (place[0], place[1], place[2]) for name, place in data["blobs"].items()}
        self._blobs.update(places)
        self._needs[record.number] = frozenset(place[0] for place in places.values())
        return record

    def _tidy(self) -> None:
        """Remove what no snapshot of ``records`` needs."""
        kept = {record.number for record in self.records}
        for number in [number for number in self._needs if number not in kept]:
            (self.folder / f"{number:08}.json").unlink(missing_ok=True)
            del self._needs[number]
        needed = frozenset().union(*self._needs.values())
        for pack in self.folder.glob("*.pack"):
            if int(pack.stem) not in needed:
                pack.unlink(missing_ok=True)
        self._blobs = {name: place for name, place in self._blobs.items() if place[0] in needed}


def needed(reading: Reading) -> dict[str, bytes]:
    """Those of its blobs that *reading* is made of."""
    names = set(_names(_inputs(reading)))
    return {name: blob for name, blob in reading.blobs.items() if name in names}


def _inputs(reading: Reading) -> dict[str, Any]:
    return {
        "main": reading.main.blob,
        "zones": [
            {
                "zone": to_text(entry.file.zone),
                "path": str(entry.path),
                "file": entry.blob,
                "data": entry.data_blob,
                "source": str(entry.place.source),
                "folder": str(entry.place.folder),
                "wanted": str(entry.place.wanted),
            }
            for entry in reading.zones.values()
        ],
    }


def _names(inputs: Mapping[str, Any]) -> Iterator[str]:
    yield inputs["main"]
    for zone in inputs["zones"]:
        yield zone["file"]
        yield zone["data"]
