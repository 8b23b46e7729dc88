"""UpstreamReply: an upstream's message, parsed. Whether its records may be used is decided later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import dns.exception
import dns.rdata
import dns.wire
from dns.rdata import GenericRdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from graydns.model.answer import ADDITIONAL
from graydns.model.dns_parameters import AAAA, IN, OPT, RRSIG, A
from graydns.model.errors import GraydnsError
from graydns.model.name import ROOT
from graydns.upstream.upstream_request import UpstreamRequest
from graydns.wire import rdata_layout
from graydns.wire.edns import OPTION_HEADER_BYTES
from graydns.wire.message import (
    HEADER_STRUCT,
    QUESTION_OFFSET,
    MalformedMessageError,
    MessageRecord,
    NameReader,
    records,
)
from graydns.wire.rdata_layout import NAME_LAYOUT_BY_TYPE, canonicalize_rdata

#: Octets that an address has, by type; in class IN such rdata are whole if they have just that.
_ADDRESS_SIZES = {A: 4, AAAA: 16}

#: Records in a reply past which it is refused unread: to check thousands of them, which any zone's owner can have us
#: fetch again and again, would keep all other clients waiting.
MAX_REPLY_RECORDS = 1000

#: The records of the answer and of the authority section; the additional section is never used.
ReplySections = tuple[list[MessageRecord], list[MessageRecord]]


class InvalidReply(GraydnsError):
    """A reply that cannot be taken for an answer: malformed, or at odds with itself or the question."""


@final
class UpstreamReply:
    """*data*: the message. *start*: where its question ends. *rcode*: 12 bits. *answers*, *authorities*: records.

    *qname*: the question's name, lowered: rdata are read with it, for the upstream was asked in random letter case.
    *names*: has read the owners.
    """

    __slots__ = (
        "_names",
        "_rdatas",
        "_signers",
        "_wire",
        "answers",
        "authorities",
        "data",
        "opt",
        "qname",
        "rcode",
        "start",
    )

    def __init__(
        self,
        data: bytes,
        start: int,
        qname: bytes,
        rcode: int,
        sections: ReplySections,
        opt: MessageRecord | None,
        names: NameReader,
    ) -> None:
        self.data, self.start, self.qname, self.rcode, self.opt = data, start, qname, rcode, opt
        self.answers, self.authorities = sections
        self._names = names
        self._wire = b""
        self._rdatas: dict[int, dns.rdata.Rdata] = {}
        self._signers: dict[int, bytes] = {}

    def read_target(self, record: MessageRecord) -> bytes:
        """The name that is all of the rdata of a CNAME or DNAME, lowered. Raises InvalidReply."""
        return self._uncompress(record)

    def parse_rdata(self, record: MessageRecord) -> dns.rdata.Rdata:
        """The rdata of *record*, parsed once. Raises InvalidReply."""
        at = record.rdata_at
        rdata = self._rdatas.get(at)
        if rdata is None:
            if not self._wire:
                self._wire = self.data[:QUESTION_OFFSET] + self.qname + self.data[QUESTION_OFFSET + len(self.qname) :]
            parser = _RdataParser(self._wire, at, self._names)
            try:
                with parser.restrict_to(record.rdata_end - at):
                    rdata = dns.rdata.from_wire_parser(RdataClass(record.rdclass), RdataType(record.rdtype), parser)
            except (dns.exception.DNSException, ValueError) as error:
                raise InvalidReply(f"malformed rdata of type {record.rdtype}: {error}") from error
            self._rdatas[at] = rdata
        return rdata

    def uncompressed_rdata(self, record: MessageRecord) -> bytes:
        """The rdata of *record* without compression. Raises InvalidReply."""
        rdata = self.parse_rdata(record)
        # dnspython does not know all types that have names.
        if isinstance(rdata, GenericRdata) and record.rdtype in NAME_LAYOUT_BY_TYPE:
            return self._uncompress(record)
        return rdata.to_wire() or b""

    def _uncompress(self, record: MessageRecord) -> bytes:
        try:
            return canonicalize_rdata(self.data, self._names, record.rdtype, record.rdata_at, record.rdata_end)
        except MalformedMessageError as error:
            raise InvalidReply(str(error)) from error

    def read_signer(self, signature: MessageRecord) -> bytes:
        """The zone that made *signature*, an RRSIG, lowered. Raises InvalidReply."""
        at = signature.rdata_at
        zone = self._signers.get(at)
        if zone is None:
            try:
                zone, _ = rdata_layout.read_signer(self.data, at, signature.rdata_end)
            except MalformedMessageError as error:
                raise InvalidReply(str(error)) from error
            self._signers[at] = zone
        return zone

    def read_covered_type(self, signature: MessageRecord) -> int:
        """The type that *signature*, an RRSIG, covers. Raises InvalidReply."""
        self.read_signer(signature)
        return rdata_layout.read_type_covered(self.data, signature.rdata_at)

    def check_rdata(self, record: MessageRecord) -> None:
        """Raise InvalidReply unless the rdata of *record* are well-formed."""
        size = _ADDRESS_SIZES.get(record.rdtype) if record.rdclass == IN else None
        if record.rdtype == RRSIG:
            self.read_signer(record)
        elif record.rdtype in NAME_LAYOUT_BY_TYPE:
            self._uncompress(record)
        elif size is None:
            self.parse_rdata(record)
        elif record.rdata_end - record.rdata_at != size:
            raise InvalidReply("an address of impossible length")

    def iterate_options(self) -> Iterator[tuple[int, bytes]]:
        """The EDNS options, as (code, data). Raises InvalidReply."""
        if self.opt is None:
            return
        at, end = self.opt.rdata_at, self.opt.rdata_end
        while at < end:
            code, size = self.data[at : at + 2], int.from_bytes(self.data[at + 2 : at + OPTION_HEADER_BYTES], "big")
            at += OPTION_HEADER_BYTES + size
            if at > end:
                raise InvalidReply("an option goes past its record")
            yield int.from_bytes(code, "big"), self.data[at - size : at]


class _RdataParser(dns.wire.Parser):
    """Follows pointers to names only: what they lead to otherwise, the header and TTLs, differs with client and
    time."""

    def __init__(self, wire: bytes, at: int, names: NameReader) -> None:
        self._names: NameReader | None = None
        super().__init__(wire, at)
        self._names = names

    def seek(self, where: int) -> None:
        if self._names is not None:
            self._names.read_pointer_target(where, self.current - 2)
        super().seek(where)


def parse_reply(data: bytes, request: UpstreamRequest) -> UpstreamReply:
    """Take *data* apart, whose header and question an Exchange has found to fit. Raises InvalidReply."""
    _, flags, questions, answers, authorities, additionals = HEADER_STRUCT.unpack_from(data)
    if answers + authorities + additionals > MAX_REPLY_RECORDS:
        raise InvalidReply("too many records")
    start = QUESTION_OFFSET + (len(request.query.question) if questions else 0)
    names = NameReader(data)
    try:
        found = list(records(data, start, (answers, authorities, additionals), names))
    except MalformedMessageError as error:
        raise InvalidReply(str(error)) from error
    if (found[-1].end if found else start) != len(data):
        raise InvalidReply("something follows the last record")
    opt = _find_opt(found)
    rcode = flags & 15 if opt is None else opt.ttl >> 24 << 4 | flags & 15
    believable = found[:answers], found[answers : answers + authorities]
    return UpstreamReply(data, start, request.query.qname, rcode, believable, opt, names)


def _find_opt(found: list[MessageRecord]) -> MessageRecord | None:
    """The OPT record. Raises InvalidReply if there are two, or one where none belongs (RFC 6891 section 6.1.1)."""
    options = [record for record in found if record.rdtype == OPT]
    if not options:
        return None
    if len(options) > 1 or options[0].section != ADDITIONAL or options[0].owner != ROOT:
        raise InvalidReply("an OPT record where none belongs")
    return options[0]
