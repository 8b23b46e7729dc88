"""Reading zone files (RFC 1035 section 5) entry by entry: plain ones by the short way, the others through dnspython.

::

    ZoneReader.read(file) → each line: plain?    → Collector.put
                                       $INCLUDE  → read() of that file
                                       any other → dnspython's Reader, for this entry → Collector.add

An error ends its entry, not the reading, so that all that is wrong in a zone is reported at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import dns.exception
import dns.grange
import dns.name
import dns.rdataclass
import dns.tokenizer
import dns.zonefile
from attrs import define, field

from graydns.model.errors import ConfigIssue
from graydns.model.name import is_within, to_text
from graydns.sources.collector import MOST_GENERATED, Collector, Unfit, wire_name
from graydns.sources.folder import Outside, open_inside
from graydns.sources.lines import EntryFile, Lines, Place, Unreadable
from graydns.sources.plain import LINE, PlainRdata, name_wire

#: Files open at once, one including the other.
DEEPEST = 10

#: Faults after which the rest is not read.
MOST_FAULTS = 50

#: Characters of a line that an error shows.
_SHOWN = 60

_DIRECTIVES = ("$GENERATE", "$ORIGIN", "$TTL", "$UNICODE")

#: What an $INCLUDE leaves as it was (RFC 1035 section 5.1), of the attributes of dnspython's reader.
_STATE = (
    "current_origin",
    "last_name",
    "last_ttl",
    "last_ttl_known",
    "default_ttl",
    "default_ttl_known",
    "default_ttl_from_soa",
)

_WRONG = (dns.exception.DNSException, ValueError, OSError, struct.error)


class TooManyFaults(Exception):
    """Enough is wrong; the rest is not read."""


@define(eq=False)
class ZoneReader:
    """Reads the files of the zone *origin* below *folder* into *collector*.

    *faults*: what is wrong. *files*: what was read, resolved, each with a hash of its contents.
    """

    origin: bytes
    folder: Path
    faults: list[ConfigIssue] = field(factory=list)
    files: dict[Path, bytes] = field(factory=dict)
    collector: Collector = field(init=False)
    _reader: dns.zonefile.Reader = field(init=False)
    _rdata: PlainRdata = field(factory=PlainRdata)
    _open: list[Path] = field(factory=list)
    _stated_ttl: int | None = None
    _owner: bytes | None = None
    _relative_to: bytes = b""
    _relative_inside: bool = True

    def __attrs_post_init__(self) -> None:
        self.collector = Collector(dns.name.from_wire(self.origin, 0)[0])
        self._reader = dns.zonefile.Reader(
            dns.tokenizer.Tokenizer(""), dns.rdataclass.IN, self.collector, allow_directives=_DIRECTIVES
        )
        self._take_names()

    def read(self, path: str | Path, place: Place) -> None:
        """Read the file *path*, which is named at *place*. Raises TooManyFaults."""
        try:
            file, target = open_inside(self.folder, path)
        except (Outside, OSError, ValueError, RuntimeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return self._fault(place, f"{str(path)!r}: {why}", "a file in the zone's folder")
        with file:
            if target in self._open or len(self._open) >= DEEPEST:
                return self._fault(place, f"{str(path)!r} once more", f"files at most {DEEPEST} deep, without a loop")
            self._open.append(target)
            self.files[target] = b""
            self._read_lines(file, target)
            self._open.pop()
        return None

    def _read_lines(self, file: BinaryIO, target: Path) -> None:
        collector, before = self.collector, self.collector.lines
        lines = collector.lines = Lines(file, str(target))
        try:
            for line in lines:
                fields = LINE.fullmatch(line)
                if fields is None or not self._plain(*fields.groups()):
                    self._entry(line, lines)
        except Unreadable as error:
            self._fault(lines.place, str(error), "text in UTF-8")
        collector.lines = before
        self.files[target] = lines.digest.digest()

    def _plain(self, owner: str, ttl: str | None, late: str | None, kind: str, text: str) -> bool:
        """Take a plain line, or leave it to dnspython: then False."""
        name = self._owner if not owner else self._within(owner)
        rdtype, given = self._rdata.type_of(kind), ttl or late
        seconds = int(given) if given else self._stated_ttl
        if name is None or not rdtype or seconds is None or (ttl and late):
            return False
        try:
            self.collector.put(name, rdtype, seconds, self._rdata.wire(rdtype, text.rstrip(" \t")))
        except _WRONG:
            return False
        self._owner = name
        if given:
            self._reader.last_ttl, self._reader.last_ttl_known = seconds, True
        return True

    def _within(self, owner: str) -> bytes | None:
        """The name of a plain *owner* that is in the zone."""
        name = name_wire(owner.lower(), self._relative_to)
        if name is None or (self._relative_inside and owner[-1] != "."):
            return name
        return name if is_within(name, self.origin) else None

    def _entry(self, line: str, lines: Lines) -> None:
        """Read the entry that starts with *line* through dnspython."""
        first = line.lstrip(" \t")
        if not first or first[0] == ";":
            return
        place, tokenizer = lines.place, EntryFile(line, lines).tokenizer
        directive = line.split(maxsplit=1)[0].upper() if line[0] == "$" else ""
        if self._owner is not None:
            self._reader.last_name = dns.name.from_wire(self._owner, 0)[0]
        try:
            if directive == "$INCLUDE":
                self._include(tokenizer, place)
            else:
                if directive == "$GENERATE":
                    _check_range(line)
                self._read_entry(tokenizer, place, directive)
        except _WRONG as error:
            found = f"{_shortened(line)!r} ({_detail(error, tokenizer)})"
            self._fault(place, found, "a record or a directive (RFC 1035 section 5.1)")
            _skip(tokenizer)

    def _read_entry(self, tokenizer: dns.tokenizer.Tokenizer, place: Place, directive: str) -> None:
        reader = self._reader
        reader.tok = tokenizer
        self.collector.entry()
        try:
            reader.read()
        finally:
            self._take_names()
        if directive == "$TTL":
            self._stated_ttl = reader.default_ttl
        if self._owner is None and directive in ("", "$GENERATE") and reader.last_name is not None:
            outside = f"{reader.last_name.to_text(omit_final_dot=True)} is not in the zone {to_text(self.origin)}"
            self.collector.warn(f"{place}: {outside}; ignored")

    def _include(self, tokenizer: dns.tokenizer.Tokenizer, place: Place) -> None:
        """RFC 1035 section 5.1; file names are relative to the zone's folder."""
        tokenizer.get()
        path = tokenizer.get().unescape()
        if not (path.is_identifier() or path.is_quoted_string()):
            raise Unfit("$INCLUDE without a file name")
        origin, token = self._reader.current_origin, tokenizer.get()
        if not token.is_eol_or_eof():
            origin = tokenizer.as_name(token, origin)
            tokenizer.get_eol()
        with self._restored():
            self._reader.current_origin = origin
            self._take_names()
            self.read(path.value, place)

    @contextmanager
    def _restored(self) -> Iterator[None]:
        """Put origin, owner and TTLs back as they were."""
        reader, owner, stated = self._reader, self._owner, self._stated_ttl
        state = {name: getattr(reader, name) for name in _STATE if hasattr(reader, name)}
        yield
        for name, value in state.items():
            setattr(reader, name, value)
        self._take_names()
        self._owner, self._stated_ttl = owner, stated

    def _take_names(self) -> None:
        """Learn the origin and the owner that hold after what dnspython's reader has read."""
        origin, owner = self._reader.current_origin, self._reader.last_name
        if origin is not None and (wire := wire_name(origin)) != self._relative_to:
            self._relative_to, self._relative_inside = wire, is_within(wire, self.origin)
            self._rdata.set_origin(origin)
        name = None if owner is None else wire_name(owner)
        self._owner = name if name is not None and is_within(name, self.origin) else None

    def _fault(self, place: Place, found: str, expected: str) -> None:
        self.faults.append(ConfigIssue((), found, expected, place.file, place.line))
        if len(self.faults) >= MOST_FAULTS:
            raise TooManyFaults


def _check_range(line: str) -> None:
    """Refuse a $GENERATE of too many before the first; one whose range is hidden is stopped by the Collector."""
    try:
        start, stop, step = dns.grange.from_text(line.split(maxsplit=2)[1])
    except (dns.exception.DNSException, ValueError, AssertionError, IndexError):
        return
    if (stop - start) // step >= MOST_GENERATED:
        raise Unfit(f"one $GENERATE makes more than {MOST_GENERATED} records")


def _shortened(line: str) -> str:
    """*line* as an error shows it."""
    text = line.strip()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _detail(error: Exception, tokenizer: dns.tokenizer.Tokenizer) -> str:
    """What dnspython says, without the place, which it puts at the line after the entry."""
    file, line = tokenizer.where()
    return str(error).removeprefix(f"{file}:{line}: ").rstrip(".") or type(error).__name__


def _skip(tokenizer: dns.tokenizer.Tokenizer) -> None:
    """Go to the end of an entry that is wrong, so that its further lines are not taken for others."""
    try:
        while not tokenizer.get().is_eol_or_eof():
            pass
    except dns.exception.DNSException:
        pass
