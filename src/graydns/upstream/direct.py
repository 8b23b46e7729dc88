"""The reply that most replies are: addresses of the very name that was asked for, and nothing else of weight. Pure.

Such a reply is told by its octets alone, at a tenth of the cost of taking it apart. What is found here is exactly what
``scrub`` would make of it; whatever is in any way different is left to that.
"""

from __future__ import annotations

from functools import lru_cache

from graydns.model.answer import ANSWER, Answer, Span
from graydns.upstream.request import Request
from graydns.wire.header import FIXED, HEADER, QUESTION, START

_RCODE = 15

#: Octets of an address by the question's type and class.
_SIZES = {b"\0\1\0\1": 4, b"\0\x1c\0\1": 16}

#: An owner that is the question's name: a pointer to it, RFC 1035 section 4.1.4.
_OWNER = b"\xc0\x0c"

#: An OPT record's owner and type; its version, flags and RDLENGTH where it says nothing but its payload.
_OPT, _OPT_SIZE = b"\0\0\x29", 11

#: More addresses than this are rare.
_MOST = 32


def direct(data: bytes, request: Request, now: float) -> Answer | None:
    """The Answer in *data*, whose header and question fit *request* and which came *now* (monotonic seconds); None
    if it needs a closer look."""
    group, question = request.group, request.query.question
    asked = question[-QUESTION.size :]
    size = _SIZES.get(asked)
    _, flags, questions, answers, authorities, additionals = HEADER.unpack_from(data)
    if size is None or flags & _RCODE or questions != 1 or not 0 < answers <= _MOST or authorities or group.ecs:
        return None
    start, step = START + len(question), len(_OWNER) + FIXED.size + size
    end = start + answers * step
    if not (_is_plain_opt(data, end) if additionals == 1 else len(data) == end and not additionals):
        return None
    ttl = data[start + 6 : start + 10]
    head = _OWNER + asked + ttl + size.to_bytes(2, "big")
    for at in range(start, end, step):
        if not data.startswith(head, at):
            return None
    seconds = int.from_bytes(ttl, "big")
    if seconds > group.max_ttl:
        return None
    return Answer(
        body=data[start:end],
        spans=_spans(answers, step),
        ttl=seconds,
        stored=now,
        origin=group,
        forwarded=True,
        shareable=not request.tags,
        why=group.label,
    )


def _is_plain_opt(data: bytes, at: int) -> bool:
    """Whether *data* ends at *at* with an OPT record that holds no upper bits of an rcode and no options."""
    return len(data) == at + _OPT_SIZE and data.startswith(_OPT, at) and not data[at + 5] and data[-2:] == b"\0\0"


@lru_cache(maxsize=2 * _MOST)
def _spans(answers: int, step: int) -> tuple[Span, ...]:
    """Those of so many records of *step* octets each."""
    return (Span(ANSWER, answers, answers * step, tuple(range(6, answers * step, step))),)
