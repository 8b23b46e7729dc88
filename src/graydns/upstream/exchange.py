"""Exchange: one question to one server. Everything below ``upstream.asking`` speaks this interface."""

from __future__ import annotations

from typing import Protocol

from attrs import field, frozen

from graydns.model.errors import GraydnsError

#: Where the question of a message starts (RFC 1035 section 4.1.1).
START = 12

#: QR and the opcode in octet 2 of a header; a reply to a query has exactly QR.
_QR_AND_OPCODE, _QR = 0xF8, 0x80

_FORMERR = 1

#: TC in octet 2 of a header.
TC = 0x02


class Waiting(Protocol):
    """Whoever waits for a reply: is told once, unless he cancels first."""

    def replied(self, reply: bytes) -> None:
        """A reply to the question, by header and question; no more of it has been looked at."""

    def lost(self, error: BaseException) -> None:
        """There will be none: an ExchangeError, or a bug of ours."""


class Attempt(Protocol):
    """A question on its way."""

    def cancel(self) -> None:
        """Wait no longer: no socket, reader or delayed call is left."""


class Exchange(Protocol):
    """A way to ask one server.

    Callbacks, not a Deferred: the few hundred nanoseconds that this costs are paid for every query that is forwarded,
    a Deferred at each level would cost a tenth of all that is done for it.
    """

    def ask(self, message: bytes, waiting: Waiting) -> Attempt:
        """Send *message*, a whole query with one question, and tell *waiting* what comes of it, perhaps at once.

        The exchange sets the message's ID itself. There is no timeout. Raises ExchangeError if nothing could be sent.
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
