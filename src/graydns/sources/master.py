"""Reading zone files (RFC 1035 section 5): entry by entry, the plain ones by the short way, the others through dnspython.

::

    read_zone → ZoneReader.read(file) → each line: plain? → Collector.put
                                        $INCLUDE  → read() of that file
                                        else      → dnspython's Reader on this entry → Collector.add

An error ends its entry, not the reading: all that is wrong in a file is reported at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import dns.exception
import dns.name
import dns.rdataclass
import dns.tokenizer
import dns.zonefile

from graydns.model.errors import Fault
from graydns.model.name import is_within, to_text
from graydns.sources.collector import Collector, Place, wire_name
from graydns.sources.folder import Outside, open_inside
from graydns.sources.lines import EntryFile, Lines, Unreadable
from graydns.sources.plain import LINE, PlainRdata, owner_wire

#: Files open at once, one including the other.
DEEPEST = 10

#: Faults after which reading stops, and warnings that are kept.
MOST_FAULTS = 50

_DIRECTIVES = ("GENERATE", "ORIGIN", "TTL", "UNICODE")


class TooManyFaults(Exception):
    """Enough is wrong; nothing more is read."""


class ZoneReader:
    """Reads the files of one zone into *collector*.

    *faults*: what is wrong. *files*: what was read, resolved, in order, with *digests* of the contents.
    """

    def __init__(self, origin: bytes, folder: Path) -> None:
        self.origin = origin
        self.folder = folder
        name = dns.name.from_wire(origin, 0)[0]
        self.collector = Collector(name)
        self.faults: list[Fault] = []
        self.files: list[Path] = []
        self.digests: list[bytes] = []
        self._open: list[Path] = []
        self._reader = dns.zonefile.Reader(
            dns.tokenizer.Tokenizer(""), dns.rdataclass.IN, self.collector, allow_directives=_DIRECTIVES
        )
        self._rdata = PlainRdata()
        self._default_ttl: int | None = None
        self._outside = 0
        self._take_names()

    def read(self, path: str | Path, place: Place) -> None:
        """Read the file *path*, which *place* names. Raises TooManyFaults."""
        try:
            file, target = open_inside(self.folder, path)
        except (Outside, OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return self._fault(place, f"{str(path)!r}: {why}", "a file in the zone's folder")
        with file:
            if target in self._open or len(self._open) >= DEEPEST:
                return self._fault(place, f"{str(path)!r}, which includes itself", f"at most {DEEPEST} files deep")
            self._open.append(target)
            self.files.append(target)
            self._read_lines(file, str(target))
            self._open.pop()
        return None

    def _read_lines(self, file: BinaryIO, name: str) -> None:
        lines = Lines(file)
        self.digests.append(b"")
        index = len(self.digests) - 1
        try:
            for line in lines:
                if (fields := LINE.fullmatch(line)) is None or not self._plain(*fields.groups(), name, lines.number):
                    self._entry(line, lines, name)
        except Unreadable as error:
            self._fault(Place(name, lines.number), str(error), "text in UTF-8")
        self.digests[index] = lines.digest.digest()

    def _plain(self, owner: str, ttl: str | None, late: str | None, kind: str, text: str, file: str, line: int) -> bool:
        """Take a plain line; False for one that is dnspython's to judge."""
        rdtype = self._rdata.type_of(kind)
        name = owner_wire(owner, self._current) if owner else self._owner
        if rdtype == 0 or name is None or (ttl and late):
            return False
        seconds = int(ttl or late or -1) if ttl or late else self._default_ttl
        if seconds is None:
            return False
        collector = self.collector
        collector.place = place = Place(file, line)
        try:
            if not name.endswith(self.origin) or not is_within(name, self.origin):
                return False
            collector.put(name, rdtype, seconds, self._rdata.wire(rdtype, text.rstrip(" \t")))
        except (dns.exception.DNSException, ValueError):
            return False
        self._owner = name
        if ttl or late:
            self._reader.last_ttl, self._reader.last_ttl_known = seconds, True
        del place
        return True
