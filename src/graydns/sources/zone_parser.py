"""Reading zone files (RFC 1035 section 5) entry by entry: plain ones by the short way, the others through dnspython.

::

    ZoneFileParser.read(file) → each line: plain?    → Collector.put
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
from graydns.sources.plain_records import PLAIN_LINE_PATTERN, PlainRdataParser, parse_plain_name
from graydns.sources.record_collector import MAX_GENERATED_RECORDS, InvalidRecordError, RecordCollector, to_wire_name
from graydns.sources.zone_input import (
    EntryInput,
    LineLocation,
    OutsideFolderError,
    UnreadableLineError,
    ZoneFileLines,
    open_inside,
)

#: Files open at once, one including the other.
MAX_INCLUDE_DEPTH = 10

#: Faults after which the rest is not read.
MAX_ZONE_ISSUES = 50

#: Characters of a line that an error shows.
_MAX_SHOWN_CHARACTERS = 60

_DIRECTIVES = ("$GENERATE", "$ORIGIN", "$TTL", "$UNICODE")

#: What an $INCLUDE leaves as it was (RFC 1035 section 5.1), of the attributes of dnspython's reader.
_INCLUDE_STATE = (
    "current_origin",
    "last_name",
    "last_ttl",
    "last_ttl_known",
    "default_ttl",
    "default_ttl_known",
    "default_ttl_from_soa",
)

_ENTRY_ERRORS = (dns.exception.DNSException, ValueError, OSError, struct.error)


class TooManyIssuesError(Exception):
    """Enough is wrong; the rest is not read."""


@define(eq=False)
class ZoneFileParser:
    """Reads the files of the zone *origin* below *folder* into *collector*.

    *issues*: what is wrong. *files*: what was read, resolved, each with a hash of its contents.
    """

    origin: bytes
    folder: Path
    issues: list[ConfigIssue] = field(factory=list)
    files: dict[Path, bytes] = field(factory=dict)
    collector: RecordCollector = field(init=False)
    _reader: dns.zonefile.Reader = field(init=False)
    _rdata: PlainRdataParser = field(factory=PlainRdataParser)
    _open: list[Path] = field(factory=list)
    _default_ttl: int | None = None
    _owner: bytes | None = None
    _current_origin: bytes = b""
    _is_origin_inside: bool = True

    def __attrs_post_init__(self) -> None:
        self.collector = RecordCollector(dns.name.from_wire(self.origin, 0)[0])
        self._reader = dns.zonefile.Reader(
            dns.tokenizer.Tokenizer(""), dns.rdataclass.IN, self.collector, allow_directives=_DIRECTIVES
        )
        self._sync_names()

    def read(self, path: str | Path, place: LineLocation) -> None:
        """Read the file *path*, which is named at *place*. Raises TooManyIssuesError."""
        try:
            file, target = open_inside(self.folder, path)
        except (OutsideFolderError, OSError, ValueError, RuntimeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return self._add_issue(place, f"{str(path)!r}: {why}", "a file in the zone's folder")
        with file:
            if target in self._open or len(self._open) >= MAX_INCLUDE_DEPTH:
                return self._add_issue(
                    place, f"{str(path)!r} once more", f"files at most {MAX_INCLUDE_DEPTH} deep, without a loop"
                )
            self._open.append(target)
            self.files[target] = b""
            self._read_lines(file, target)
            self._open.pop()
        return None

    def _read_lines(self, file: BinaryIO, target: Path) -> None:
        collector, before = self.collector, self.collector.lines
        lines = collector.lines = ZoneFileLines(file, str(target))
        try:
            for line in lines:
                fields = PLAIN_LINE_PATTERN.fullmatch(line)
                if fields is None or not self._parse_plain_line(*fields.groups()):
                    self._parse_entry(line, lines)
        except UnreadableLineError as error:
            self._add_issue(lines.location, str(error), "text in UTF-8")
        collector.lines = before
        self.files[target] = lines.digest.digest()

    def _parse_plain_line(self, owner: str, ttl: str | None, late: str | None, kind: str, text: str) -> bool:
        """Take a plain line, or leave it to dnspython: then False."""
        name = self._owner if not owner else self._parse_owner(owner)
        rdtype, given = self._rdata.parse_rdtype(kind), ttl or late
        seconds = int(given) if given else self._default_ttl
        if name is None or not rdtype or seconds is None or (ttl and late):
            return False
        try:
            self.collector.add_record(name, rdtype, seconds, self._rdata.parse_rdata(rdtype, text.rstrip(" \t")))
        except _ENTRY_ERRORS:
            return False
        self._owner = name
        if given:
            self._reader.last_ttl, self._reader.last_ttl_known = seconds, True
        return True

    def _parse_owner(self, owner: str) -> bytes | None:
        """The name of a plain *owner* that is in the zone."""
        name = parse_plain_name(owner.lower(), self._current_origin)
        if name is None or (self._is_origin_inside and owner[-1] != "."):
            return name
        return name if is_within(name, self.origin) else None

    def _parse_entry(self, line: str, lines: ZoneFileLines) -> None:
        """Read the entry that starts with *line* through dnspython."""
        first = line.lstrip(" \t")
        if not first or first[0] == ";":
            return
        place, tokenizer = lines.location, EntryInput(line, lines).tokenizer
        directive = line.split(maxsplit=1)[0].upper() if line[0] == "$" else ""
        if self._owner is not None:
            self._reader.last_name = dns.name.from_wire(self._owner, 0)[0]
        try:
            if directive == "$INCLUDE":
                self._read_include(tokenizer, place)
            else:
                if directive == "$GENERATE":
                    _check_generate_range(line)
                self._read_entry(tokenizer, place, directive)
        except _ENTRY_ERRORS as error:
            found = f"{_truncate_line(line)!r} ({_describe_entry_error(error, tokenizer)})"
            self._add_issue(place, found, "a record or a directive (RFC 1035 section 5.1)")
            _skip_entry(tokenizer)

    def _read_entry(self, tokenizer: dns.tokenizer.Tokenizer, place: LineLocation, directive: str) -> None:
        reader = self._reader
        reader.tok = tokenizer
        self.collector.begin_entry()
        try:
            reader.read()
        finally:
            self._sync_names()
        if directive == "$TTL":
            self._default_ttl = reader.default_ttl
        if self._owner is None and directive in ("", "$GENERATE") and reader.last_name is not None:
            outside = f"{reader.last_name.to_text(omit_final_dot=True)} is not in the zone {to_text(self.origin)}"
            self.collector.warn(f"{place}: {outside}; ignored")

    def _read_include(self, tokenizer: dns.tokenizer.Tokenizer, place: LineLocation) -> None:
        """RFC 1035 section 5.1; file names are relative to the zone's folder."""
        tokenizer.get()
        path = tokenizer.get().unescape()
        if not (path.is_identifier() or path.is_quoted_string()):
            raise InvalidRecordError("$INCLUDE without a file name")
        origin, token = self._reader.current_origin, tokenizer.get()
        if not token.is_eol_or_eof():
            origin = tokenizer.as_name(token, origin)
            tokenizer.get_eol()
        with self._restore_after_include():
            self._reader.current_origin = origin
            self._sync_names()
            self.read(path.value, place)

    @contextmanager
    def _restore_after_include(self) -> Iterator[None]:
        """Put origin, owner and TTLs back as they were."""
        reader, owner, stated = self._reader, self._owner, self._default_ttl
        state = {name: getattr(reader, name) for name in _INCLUDE_STATE if hasattr(reader, name)}
        yield
        for name, value in state.items():
            setattr(reader, name, value)
        self._sync_names()
        self._owner, self._default_ttl = owner, stated

    def _sync_names(self) -> None:
        """Learn the origin and the owner that hold after what dnspython's reader has read."""
        origin, owner = self._reader.current_origin, self._reader.last_name
        if origin is not None and (wire := to_wire_name(origin)) != self._current_origin:
            self._current_origin, self._is_origin_inside = wire, is_within(wire, self.origin)
            self._rdata.set_origin(origin)
        name = None if owner is None else to_wire_name(owner)
        self._owner = name if name is not None and is_within(name, self.origin) else None

    def _add_issue(self, place: LineLocation, found: str, expected: str) -> None:
        self.issues.append(ConfigIssue((), found, expected, place.file, place.line))
        if len(self.issues) >= MAX_ZONE_ISSUES:
            raise TooManyIssuesError


def _check_generate_range(line: str) -> None:
    """Refuse a $GENERATE of too many before the first; one whose range is hidden is stopped by the RecordCollector."""
    try:
        start, stop, step = dns.grange.from_text(line.split(maxsplit=2)[1])
    except (dns.exception.DNSException, ValueError, AssertionError, IndexError):
        return
    if (stop - start) // step >= MAX_GENERATED_RECORDS:
        raise InvalidRecordError(f"one $GENERATE makes more than {MAX_GENERATED_RECORDS} records")


def _truncate_line(line: str) -> str:
    """*line* as an error shows it."""
    text = line.strip()
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else text[:_MAX_SHOWN_CHARACTERS] + "…"


def _describe_entry_error(error: Exception, tokenizer: dns.tokenizer.Tokenizer) -> str:
    """What dnspython says, without the place, which it puts at the line after the entry."""
    file, line = tokenizer.where()
    return str(error).removeprefix(f"{file}:{line}: ").rstrip(".") or type(error).__name__


def _skip_entry(tokenizer: dns.tokenizer.Tokenizer) -> None:
    """Go to the end of an entry that is wrong, so that its further lines are not taken for others."""
    try:
        while not tokenizer.get().is_eol_or_eof():
            pass
    except dns.exception.DNSException:
        pass
