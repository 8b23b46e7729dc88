"""Reply: an upstream's message taken apart, as far as its form goes. Nothing of it is believed yet."""

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
from graydns.model.errors import GraydnsError
from graydns.model.name import ROOT
from graydns.model.rrtype import AAAA, IN, OPT, RRSIG, A
from graydns.upstream.request import Request
from graydns.wire import rrsig
from graydns.wire.edns import OPTION_SIZE
from graydns.wire.header import HEADER, START
from graydns.wire.layout import NAMES, plain
from graydns.wire.walk import Malformed, Names, Record, records

#: Octets that an address has, by type; in class IN such rdata are whole if they have just that.
_ADDRESS_SIZES = {A: 4, AAAA: 16}

#: Records in a reply past which it is refused unread: to check thousands of them, which any zone's owner can have us
#: fetch again and again, would keep all other clients waiting.
MOST_RECORDS = 1000

#: The records of the answer and of the authority section; nothing of the additional section is ever believed.
Sections = tuple[list[Record], list[Record]]


class Unbelievable(GraydnsError):
    """A reply that cannot be taken for an answer: malformed, or at odds with itself or the question."""


@final
class Reply:
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
        self, data: bytes, start: int, qname: bytes, rcode: int, sections: Sections, opt: Record | None, names: Names
    ) -> None:
        self.data, self.start, self.qname, self.rcode, self.opt = data, start, qname, rcode, opt
        self.answers, self.authorities = sections
        self._names = names
        self._wire = b""
        self._rdatas: dict[int, dns.rdata.Rdata] = {}
        self._signers: dict[int, bytes] = {}

    def target(self, record: Record) -> bytes:
        """The name that is all of the rdata of a CNAME or DNAME, lowered. Raises Unbelievable."""
        return self._plain(record)

    def rdata(self, record: Record) -> dns.rdata.Rdata:
        """The rdata of *record*, parsed once. Raises Unbelievable."""
        at = record.rdata_at
        rdata = self._rdatas.get(at)
        if rdata is None:
            if not self._wire:
                self._wire = self.data[:START] + self.qname + self.data[START + len(self.qname) :]
            parser = _Parser(self._wire, at, self._names)
            try:
                with parser.restrict_to(record.rdata_end - at):
                    rdata = dns.rdata.from_wire_parser(RdataClass(record.rdclass), RdataType(record.rdtype), parser)
            except (dns.exception.DNSException, ValueError) as error:
                raise Unbelievable(f"malformed rdata of type {record.rdtype}: {error}") from error
            self._rdatas[at] = rdata
        return rdata

    def octets(self, record: Record) -> bytes:
        """The rdata of *record* without compression. Raises Unbelievable."""
        rdata = self.rdata(record)
        # dnspython does not know all types that have names.
        if isinstance(rdata, GenericRdata) and record.rdtype in NAMES:
            return self._plain(record)
        return rdata.to_wire() or b""

    def _plain(self, record: Record) -> bytes:
        try:
            return plain(self.data, self._names, record.rdtype, record.rdata_at, record.rdata_end)
        except Malformed as error:
            raise Unbelievable(str(error)) from error

    def signer(self, signature: Record) -> bytes:
        """The zone that made *signature*, an RRSIG, lowered. Raises Unbelievable."""
        at = signature.rdata_at
        zone = self._signers.get(at)
        if zone is None:
            try:
                zone, _ = rrsig.signer(self.data, at, signature.rdata_end)
            except Malformed as error:
                raise Unbelievable(str(error)) from error
            self._signers[at] = zone
        return zone

    def covered(self, signature: Record) -> int:
        """The type that *signature*, an RRSIG, covers. Raises Unbelievable."""
        self.signer(signature)
        return rrsig.covered(self.data, signature.rdata_at)

    def check(self, record: Record) -> None:
        """Raise Unbelievable unless the rdata of *record* are well-formed."""
        size = _ADDRESS_SIZES.get(record.rdtype) if record.rdclass == IN else None
        if record.rdtype == RRSIG:
            self.signer(record)
        elif record.rdtype in NAMES:
            self._plain(record)
        elif size is None:
            self.rdata(record)
        elif record.rdata_end - record.rdata_at != size:
            raise Unbelievable("an address of impossible length")

    def options(self) -> Iterator[tuple[int, bytes]]:
        """The EDNS options, as (code, data). Raises Unbelievable."""
        if self.opt is None:
            return
        at, end = self.opt.rdata_at, self.opt.rdata_end
        while at < end:
            code, size = self.data[at : at + 2], int.from_bytes(self.data[at + 2 : at + OPTION_SIZE], "big")
            at += OPTION_SIZE + size
            if at > end:
                raise Unbelievable("an option goes past its record")
            yield int.from_bytes(code, "big"), self.data[at - size : at]


class _Parser(dns.wire.Parser):
    """Follows pointers to names only: what they lead to otherwise, the header and TTLs, differs with asker and time."""

    def __init__(self, wire: bytes, at: int, names: Names) -> None:
        self._names: Names | None = None
        super().__init__(wire, at)
        self._names = names

    def seek(self, where: int) -> None:
        if self._names is not None:
            self._names.pointed(where, self.current - 2)
        super().seek(where)


def read(data: bytes, request: Request) -> Reply:
    """Take *data* apart, whose header and question an Exchange has found to fit. Raises Unbelievable."""
    _, flags, questions, answers, authorities, additionals = HEADER.unpack_from(data)
    if answers + authorities + additionals > MOST_RECORDS:
        raise Unbelievable("more records than anybody needs")
    start = START + (len(request.query.question) if questions else 0)
    names = Names(data)
    try:
        found = list(records(data, start, (answers, authorities, additionals), names))
    except Malformed as error:
        raise Unbelievable(str(error)) from error
    if (found[-1].end if found else start) != len(data):
        raise Unbelievable("something follows the last record")
    opt = _opt(found)
    rcode = flags & 15 if opt is None else opt.ttl >> 24 << 4 | flags & 15
    believable = found[:answers], found[answers : answers + authorities]
    return Reply(data, start, request.query.qname, rcode, believable, opt, names)


def _opt(found: list[Record]) -> Record | None:
    """The OPT record. Raises Unbelievable if there are two, or one where none belongs (RFC 6891 section 6.1.1)."""
    options = [record for record in found if record.rdtype == OPT]
    if not options:
        return None
    if len(options) > 1 or options[0].section != ADDITIONAL or options[0].owner != ROOT:
        raise Unbelievable("an OPT record where none belongs")
    return options[0]
