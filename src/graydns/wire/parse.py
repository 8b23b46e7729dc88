"""From the bytes of a client to a Query, or to the reply that ends the matter."""

from __future__ import annotations

from collections.abc import Callable

from graydns.model.answer import ADDITIONAL
from graydns.model.errors import Unanswerable
from graydns.model.name import ROOT
from graydns.model.query import UDP, Client, Edns, Query
from graydns.model.rcode import BADVERS, FORMERR, NOTIMP
from graydns.model.rrtype import ANY, OPT, TSIG
from graydns.wire import edns
from graydns.wire.edns import RECORD, BadVersion
from graydns.wire.header import AD, CD, HEADER, OPCODE, QR, QUESTION, RD, START
from graydns.wire.reject import question_end, reply
from graydns.wire.walk import Malformed, Record, records


def parse(data: bytes, identify: Callable[[Edns | None], Client], payload: int = edns.DEFAULT_PAYLOAD) -> Query:
    """The Query in *data*, asked by whom *identify* names once the options are known. *payload*: octets over UDP that
    replies advertise.

    Raises Unanswerable: without a reply for what is too short for a header or is itself a reply (RFC 8906 section 3),
    with NOTIMP for every opcode but QUERY, FORMERR for a malformed message or one that has not exactly one question
    (RFC 9619), BADVERS for an unknown EDNS version.
    """
    if len(data) < START:
        raise Unanswerable(None, "shorter than a header")
    message_id, flags, questions, answers, authorities, additionals = HEADER.unpack_from(data)
    if flags & QR:
        raise Unanswerable(None, "a reply")
    if flags & OPCODE:
        raise Unanswerable(reply(data, NOTIMP, payload), f"opcode {(flags & OPCODE) >> 11}")
    try:
        if questions != 1:
            raise Malformed(f"{questions} questions")
        end = question_end(data)
        qtype, qclass = QUESTION.unpack_from(data, end - QUESTION.size)
        if qtype == OPT:
            raise Malformed("a question for type OPT")
        options, tsig = _read_tail(data, end, (answers, authorities, additionals))
    except Malformed as error:
        raise Unanswerable(reply(data, FORMERR, payload), str(error)) from error
    except BadVersion as error:
        raise Unanswerable(reply(data, BADVERS, payload), str(error)) from error
    client = identify(options)
    if options is not None and options.keepalive:
        _check_keepalive(data, options, client, payload)
    question = data[START:end]
    qname = question[: -QUESTION.size].lower()
    desired, disabled, authentic = flags & RD != 0, flags & CD != 0, flags & AD != 0
    return Query(message_id, data, question, qname, qtype, qclass, client, desired, disabled, authentic, options, tsig)


def _read_tail(data: bytes, end: int, counts: tuple[int, int, int]) -> tuple[Edns | None, int]:
    """What follows the question: the options and the offset of the TSIG record. Raises Malformed, BadVersion."""
    size = len(data) - end
    if counts == (0, 0, 0) and not size:
        return None, 0
    if counts == (0, 0, 1) and size >= RECORD.size:
        root, rdtype, payload, ttl, length = RECORD.unpack_from(data, end)
        if not root and rdtype == OPT and length == size - RECORD.size:
            return edns.read(payload, ttl, data[end + RECORD.size :]), 0
    return _walk_tail(data, end, counts)


def _walk_tail(data: bytes, end: int, counts: tuple[int, int, int]) -> tuple[Edns | None, int]:
    opt: Record | None = None
    tsig = 0
    for record in records(data, end, counts):
        if tsig:
            raise Malformed("a record after TSIG")  # RFC 8945 section 5.1
        if record.rdtype == OPT:
            if opt is not None or record.section != ADDITIONAL or record.owner != ROOT:
                raise Malformed("a second or misplaced OPT record")  # RFC 6891 section 6.1.1
            opt = record
        elif record.rdtype == TSIG:
            if record.section != ADDITIONAL or record.rdclass != ANY:
                raise Malformed("a misplaced TSIG record")
            tsig = end
        end = record.end
    if end != len(data):
        raise Malformed("octets after the last record")
    if opt is None:
        return None, tsig
    return edns.read(opt.rdclass, opt.ttl, data[opt.rdata_at : opt.rdata_end]), tsig


def _check_keepalive(data: bytes, options: Edns, client: Client, payload: int) -> None:
    """Refuse a query that sets the idle timeout, which only the server may; over UDP the option means nothing (RFC 7828
    sections 3.2.1 and 3.3.1)."""
    if client.transport != UDP and any(value for code, value in options.options if code == edns.KEEPALIVE):
        raise Unanswerable(reply(data, FORMERR, payload), "a keepalive timeout in a query")
