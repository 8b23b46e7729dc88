"""Asking a resolver many questions at once."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
from attrs import field, frozen
from dns.name import Name
from dns.rdatatype import RdataType


@frozen
class Question:
    """What is asked: *flags* are names of DO, AD and CD."""

    name: Name
    rdtype: RdataType
    flags: frozenset[str]

    def message(self, number: int) -> dns.message.Message:
        """The query, with *number* as its id."""
        query = dns.message.make_query(self.name, self.rdtype, use_edns=0, want_dnssec="DO" in self.flags, payload=4096)
        query.flags |= sum(dns.flags.Flag[flag] for flag in self.flags - {"DO"})
        query.id = number
        return query

    def __str__(self) -> str:
        return " ".join([str(self.name), dns.rdatatype.to_text(self.rdtype), *sorted(self.flags)])


@frozen
class Said:
    """What a resolver said. Only *rcode* and *ad* make answers alike or different."""

    rcode: str
    ad: bool
    edes: tuple[str, ...] = field(eq=False, default=())
    records: frozenset[str] = field(eq=False, default=frozenset())
    whole: str = field(eq=False, default="", repr=False)

    def __str__(self) -> str:
        return " ".join([self.rcode, *(["AD"] if self.ad else []), *self.edes])


#: Nothing came.
SILENCE = Said("no answer", False)


def ask_all(port: int, questions: Sequence[Question], at_once: int = 32, seconds: float = 15.0) -> list[Said]:
    """What the resolver at *port* of 127.0.0.1 says to each of *questions*; SILENCE where it says nothing in time."""
    said = [SILENCE] * len(questions)
    waiting: dict[int, float] = {}
    following = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect(("127.0.0.1", port))
        while waiting or following < len(questions):
            while following < len(questions) and len(waiting) < at_once:
                opened.send(questions[following].message(following).to_wire())
                waiting[following] = time.monotonic() + seconds
                following += 1
            if select.select([opened], [], [], 1.0)[0]:
                reply = dns.message.from_wire(opened.recv(65535))
                if waiting.pop(reply.id, None) is not None:
                    said[reply.id] = _read(port, questions[reply.id], reply)
            for late in [number for number, end in waiting.items() if time.monotonic() > end]:
                del waiting[late]
    return said


def _read(port: int, question: Question, reply: dns.message.Message) -> Said:
    if reply.flags & dns.flags.TC:
        try:
            reply = dns.query.tcp(question.message(reply.id), "127.0.0.1", timeout=10, port=port)
        except (dns.exception.DNSException, OSError, EOFError):
            return SILENCE
    edes = [f"{int(each.code)} {each.text or ''}" for each in reply.options if isinstance(each, dns.edns.EDEOption)]
    records = frozenset(
        f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}".lower()
        for rrset in reply.answer
        for rdata in rrset
    )
    return Said(dns.rcode.to_text(reply.rcode()), bool(reply.flags & dns.flags.AD), tuple(edes), records, str(reply))
