"""Verdict: what to make of one server's reply. Pure."""

from __future__ import annotations

from attrs import frozen

from graydns.model.answer import Answer
from graydns.model.rcode import NOERROR, NXDOMAIN
from graydns.upstream.direct import direct
from graydns.upstream.reply import Unbelievable, read
from graydns.upstream.request import Form, Request
from graydns.upstream.scrub import scrub

_RCODES = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH", 16: "BADVERS"}


@frozen(eq=False)
class Useless:
    """The server failed this question, for the reason in *text*; another may know better."""

    text: str


def judge(data: bytes, request: Request, form: Form, now: float) -> Answer | Form | Useless:
    """An Answer to take, a Form to ask the same server again in, or Useless. *now*: monotonic seconds."""
    if (answer := direct(data, request, now)) is not None:
        return answer
    try:
        reply = read(data, request)
        if reply.rcode in (NOERROR, NXDOMAIN):
            return scrub(reply, request, form, now)
    except Unbelievable as error:
        return Useless(str(error))
    simpler = request.simpler(form, reply.rcode)
    return Useless(_RCODES.get(reply.rcode, f"rcode {reply.rcode}")) if simpler is None else simpler
