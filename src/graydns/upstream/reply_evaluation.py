"""Verdict: what to make of one server's reply. Pure.

The reply that most replies are: addresses of the very name that was asked for, and nothing else of weight. Pure.

Such a reply is recognised by its octets alone, at a tenth of the cost of taking it apart. What is found here is exactly
what ``scrub`` would make of it; whatever is in any way different is left to that.
"""

from __future__ import annotations

from functools import lru_cache

from attrs import frozen

from graydns.model.answer import ANSWER, Answer, Span
from graydns.model.dns_parameters import NOERROR, NXDOMAIN
from graydns.upstream.reply_parser import InvalidReply, parse_reply
from graydns.upstream.scrub import scrub_reply
from graydns.upstream.upstream_request import RequestForm, UpstreamRequest
from graydns.wire.message import HEADER_STRUCT, QUESTION_OFFSET, QUESTION_STRUCT, RECORD_STRUCT

_RCODE_NAMES = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH", 16: "BADVERS"}


@frozen(eq=False)
class ServerFailure:
    """The server failed this question, for the reason in *text*; another may know better."""

    text: str


def evaluate_reply(
    data: bytes, request: UpstreamRequest, form: RequestForm, now: float
) -> Answer | RequestForm | ServerFailure:
    """An Answer to take, a RequestForm to ask the same server again in, or ServerFailure. *now*: monotonic seconds."""
    if (answer := match_address_reply(data, request, now)) is not None:
        return answer
    try:
        reply = parse_reply(data, request)
        if reply.rcode in (NOERROR, NXDOMAIN):
            return scrub_reply(reply, request, form, now)
    except InvalidReply as error:
        return ServerFailure(str(error))
    simpler = request.find_fallback_form(form, reply.rcode)
    return ServerFailure(_RCODE_NAMES.get(reply.rcode, f"rcode {reply.rcode}")) if simpler is None else simpler


_RCODE_MASK = 15

#: Octets of an address by the question's type and class.
_ADDRESS_BYTES = {b"\0\1\0\1": 4, b"\0\x1c\0\1": 16}

#: An owner that is the question's name: a pointer to it, RFC 1035 section 4.1.4.
_QUESTION_POINTER = b"\xc0\x0c"

#: An OPT record's owner and type; its version, flags and RDLENGTH where it says nothing but its payload.
_OPT_START, _OPT_BYTES = b"\0\0\x29", 11

#: More addresses than this are rare.
_MAX_ADDRESSES = 32


def match_address_reply(data: bytes, request: UpstreamRequest, now: float) -> Answer | None:
    """The Answer in *data*, whose header and question fit *request* and which came *now* (monotonic seconds); None
    if it needs a closer look."""
    group, question = request.group, request.query.question
    asked = question[-QUESTION_STRUCT.size :]
    size = _ADDRESS_BYTES.get(asked)
    _, flags, questions, answers, authorities, additionals = HEADER_STRUCT.unpack_from(data)
    if (
        size is None
        or flags & _RCODE_MASK
        or questions != 1
        or not 0 < answers <= _MAX_ADDRESSES
        or authorities
        or group.ecs
    ):
        return None
    start, step = QUESTION_OFFSET + len(question), len(_QUESTION_POINTER) + RECORD_STRUCT.size + size
    end = start + answers * step
    if not (_is_plain_opt(data, end) if additionals == 1 else len(data) == end and not additionals):
        return None
    ttl = data[start + 6 : start + 10]
    head = _QUESTION_POINTER + asked + ttl + size.to_bytes(2, "big")
    for at in range(start, end, step):
        if not data.startswith(head, at):
            return None
    seconds = int.from_bytes(ttl, "big")
    if seconds > group.max_ttl:
        return None
    return Answer(
        body=data[start:end],
        spans=_make_spans(answers, step),
        ttl=seconds,
        stored_at=now,
        origin=group,
        forwarded=True,
        shareable=not request.tags,
        why=group.label,
    )


def _is_plain_opt(data: bytes, at: int) -> bool:
    """Whether *data* ends at *at* with an OPT record that holds no upper bits of an rcode and no options."""
    return (
        len(data) == at + _OPT_BYTES and data.startswith(_OPT_START, at) and not data[at + 5] and data[-2:] == b"\0\0"
    )


@lru_cache(maxsize=2 * _MAX_ADDRESSES)
def _make_spans(answers: int, step: int) -> tuple[Span, ...]:
    """Those of so many records of *step* octets each."""
    return (Span(ANSWER, answers, answers * step, tuple(range(6, answers * step, step))),)
