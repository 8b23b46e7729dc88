"""From the bytes of a client to a Query, or to an error reply."""

from __future__ import annotations

from collections.abc import Callable

from graydns.model.answer import ADDITIONAL
from graydns.model.client import Client
from graydns.model.dns_parameters import ANY, BADVERS, FORMERR, NOTIMP, OPT, TSIG
from graydns.model.errors import UnanswerableError
from graydns.model.name import ROOT
from graydns.model.query import Edns, Query
from graydns.wire import edns
from graydns.wire.edns import OPT_STRUCT, BadVersError
from graydns.wire.message import (
    AD,
    CD,
    HEADER_STRUCT,
    OPCODE_MASK,
    QR,
    QUESTION_OFFSET,
    QUESTION_STRUCT,
    RD,
    MalformedMessageError,
    MessageRecord,
    records,
)
from graydns.wire.render import find_question_end, make_error_reply


def parse_query(
    data: bytes, identify: Callable[[Edns | None], Client], payload: int = edns.DEFAULT_UDP_PAYLOAD_BYTES
) -> Query:
    """The Query in *data*. *identify*: returns the client when the options are known. *payload*: octets over UDP that
    replies advertise.

    Raises UnanswerableError: without a reply for what is too short for a header or is itself a reply (RFC 8906 section
    3); with NOTIMP for every opcode but QUERY, FORMERR for a malformed message or one without exactly one question
    (RFC 9619), BADVERS for an unknown EDNS version.
    """
    if len(data) < QUESTION_OFFSET:
        raise UnanswerableError(None, "shorter than a header")
    message_id, flags, questions, answers, authorities, additionals = HEADER_STRUCT.unpack_from(data)
    if flags & QR:
        raise UnanswerableError(None, "a reply")
    if flags & OPCODE_MASK:
        raise UnanswerableError(make_error_reply(data, NOTIMP, payload), f"opcode {(flags & OPCODE_MASK) >> 11}")
    try:
        if questions != 1:
            raise MalformedMessageError(f"{questions} questions")
        end = find_question_end(data)
        qtype, qclass = QUESTION_STRUCT.unpack_from(data, end - QUESTION_STRUCT.size)
        if qtype == OPT:
            raise MalformedMessageError("a question for type OPT")
        options, tsig = _parse_tail(data, end, (answers, authorities, additionals))
    except MalformedMessageError as error:
        raise UnanswerableError(make_error_reply(data, FORMERR, payload), str(error)) from error
    except BadVersError as error:
        raise UnanswerableError(make_error_reply(data, BADVERS, payload), str(error)) from error
    client = identify(options)
    if options is not None and options.keepalive:
        _check_keepalive(data, options, client, payload)
    question = data[QUESTION_OFFSET:end]
    qname = question[: -QUESTION_STRUCT.size].lower()
    desired, disabled, authentic = flags & RD != 0, flags & CD != 0, flags & AD != 0
    return Query(message_id, data, question, qname, qtype, qclass, client, desired, disabled, authentic, options, tsig)


def _parse_tail(data: bytes, end: int, counts: tuple[int, int, int]) -> tuple[Edns | None, int]:
    """What follows the question: the options and the offset of the TSIG record. Raises MalformedMessageError,
    BadVersError."""
    size = len(data) - end
    if counts == (0, 0, 0) and not size:
        return None, 0
    if counts == (0, 0, 1) and size >= OPT_STRUCT.size:
        root, rdtype, payload, ttl, length = OPT_STRUCT.unpack_from(data, end)
        if not root and rdtype == OPT and length == size - OPT_STRUCT.size:
            return edns.parse_opt(payload, ttl, data[end + OPT_STRUCT.size :]), 0
    return _parse_long_tail(data, end, counts)


def _parse_long_tail(data: bytes, end: int, counts: tuple[int, int, int]) -> tuple[Edns | None, int]:
    opt: MessageRecord | None = None
    tsig = 0
    for record in records(data, end, counts):
        if tsig:
            raise MalformedMessageError("a record after TSIG")  # RFC 8945 section 5.1
        if record.rdtype == OPT:
            if opt is not None or record.section != ADDITIONAL or record.owner != ROOT:
                raise MalformedMessageError("a second or misplaced OPT record")  # RFC 6891 section 6.1.1
            opt = record
        elif record.rdtype == TSIG:
            if record.section != ADDITIONAL or record.rdclass != ANY:
                raise MalformedMessageError("a misplaced TSIG record")
            tsig = end
        end = record.end
    if end != len(data):
        raise MalformedMessageError("octets after the last record")
    if opt is None:
        return None, tsig
    return edns.parse_opt(opt.rdclass, opt.ttl, data[opt.rdata_at : opt.rdata_end]), tsig


def _check_keepalive(data: bytes, options: Edns, client: Client, payload: int) -> None:
    """Refuse a query that sets the idle timeout, which only servers may; ignored where keepalive has no meaning
    (RFC 7828 sections 3.2.1 and 3.3.1). Raises UnanswerableError."""
    if client.transport.keeps_alive and any(value for code, value in options.options if code == edns.KEEPALIVE):
        raise UnanswerableError(make_error_reply(data, FORMERR, payload), "a keepalive timeout in a query")
