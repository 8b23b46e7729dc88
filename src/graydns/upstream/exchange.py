"""Exchange: one question to one server. Everything below ``upstream.asking`` speaks this interface."""

from __future__ import annotations

from typing import Protocol

from attrs import field, frozen
from twisted.internet.defer import Deferred

from graydns.model.errors import GraydnsError

#: Where the question of a message starts (RFC 1035 section 4.1.1).
START = 12

#: QR and the opcode in octet 2 of a header; a reply to a query has exactly QR.
_QR_AND_OPCODE, _QR = 0xF8, 0x80

_FORMERR = 1

#: TC in octet 2 of a header.
TC = 0x02


class Exchange(Protocol):
    """A way to ask one server."""

    def ask(self, message: bytes) -> Deferred[bytes]:
        """Send *message*, a whole query with one question, and wait for its reply.

        The exchange sets the message's ID itself. The reply is one to this question, by header and question, but no
        more of it has been looked at. Fails with ExchangeError. There is no timeout: whoever waits no longer cancels,
        and then no socket, reader or delayed call is left.
        """


@frozen
class ExchangeError(GraydnsError):
    """The server gave no reply that could be its own. *network*: the network or the connection is to blame."""

    text: str
    network: bool = field(default=True, kw_only=True)

    def __str__(self) -> str:
        return self.text


@frozen
class Disturbed(ExchangeError):
    """Datagrams came that nearly fit: somebody may be guessing, or the server garbles questions. TCP can tell."""

    network: bool = field(default=False, kw_only=True)


def question_end(message: bytes) -> int:
    """Where the question of *message* ends; the message is one of ours, so its name is sound and uncompressed."""
    at = START
    while length := message[at]:
        at += length + 1
    return at + 5


def repeats_header(reply: bytes, sent: bytes) -> bool:
    """Whether *reply* has the ID of *sent* and is a reply to a query at all."""
    return len(reply) >= START and reply[:2] == sent[:2] and reply[2] & _QR_AND_OPCODE == _QR


def is_bare_formerr(reply: bytes) -> bool:
    """Whether *reply* is FORMERR in a header without the question, which servers that cannot read OPT may send."""
    return len(reply) == START and reply[3] & 15 == _FORMERR and reply[4:6] == b"\0\0"
