"""Exchange: one question to one server. Everything below ``upstream.asking`` speaks this interface.

Unpredictable bytes for messages to upstreams.

Random letter case in a question: some ten more bits that a forger must guess (draft-vixie-dnsext-dns0x20).

A server repeats the question as it was asked, so a reply in other letters is not the reply to this question.
"""

from __future__ import annotations

import os
from typing import Protocol

from attrs import define, field, frozen

from graydns.model.errors import GraydnsError

#: Where the question of a message starts (RFC 1035 section 4.1.1).
QUESTION_START = 12

#: QR and the opcode in octet 2 of a header; a reply to a query has exactly QR.
_QR_AND_OPCODE, _QR = 0xF8, 0x80

_FORMERR = 1

#: TC in octet 2 of a header.
TC_BIT = 0x02


class ReplyReceiver(Protocol):
    """Waits for a reply: one of its methods is called once, unless the exchange is cancelled first."""

    def on_reply(self, reply: bytes) -> None:
        """A reply to the question, by header and question; no more of it has been looked at."""

    def on_failure(self, error: BaseException) -> None:
        """There will be none: an ExchangeError, or a bug of ours."""


class PendingExchange(Protocol):
    """A question on its way."""

    def cancel(self) -> None:
        """Wait no longer: no socket, reader or delayed call is left."""


class Exchange(Protocol):
    """A way to ask one server.

    Callbacks, not a Deferred: the few hundred nanoseconds that this costs are paid for every query that is forwarded,
    a Deferred at each level would cost a tenth of all that is done for it.
    """

    def ask(self, message: bytes, waiting: ReplyReceiver) -> PendingExchange:
        """Send *message*, a whole query with one question, and tell *waiting* what comes of it, perhaps at once.

        The exchange sets the message's ID itself. There is no timeout. Raises ExchangeError if nothing could be sent.
        """


@frozen
class ExchangeError(GraydnsError):
    """The server gave no reply that could be its own. *is_network_error*: the network or the connection is to blame."""

    text: str
    is_network_error: bool = field(default=True, kw_only=True)

    def __str__(self) -> str:
        return self.text


@frozen
class SpoofSuspected(ExchangeError):
    """Datagrams came that nearly fit: an attack, or a server that garbles questions. TCP decides."""

    is_network_error: bool = field(default=False, kw_only=True)


def find_question_end(message: bytes) -> int:
    """Where the question of *message* ends; the message is one of ours, so its name is sound and uncompressed."""
    at = QUESTION_START
    while length := message[at]:
        at += length + 1
    return at + 5


def matches_header(reply: bytes, sent: bytes) -> bool:
    """Whether *reply* has the ID of *sent* and is a reply to a query at all."""
    return len(reply) >= QUESTION_START and reply[:2] == sent[:2] and reply[2] & _QR_AND_OPCODE == _QR


def is_bare_formerr(reply: bytes) -> bool:
    """Whether *reply* is FORMERR in a header without the question, which servers that cannot read OPT may send."""
    return len(reply) == QUESTION_START and reply[3] & 15 == _FORMERR and reply[4:6] == b"\0\0"


#: Octets fetched from the kernel at a time: one system call for some hundred exchanges.
POOL_BYTES = 4096


@define(eq=False)
class EntropyPool:
    """Random bytes from the kernel; each is given out once."""

    _pool: bytes = field(init=False, default=b"", repr=False)
    _at: int = field(init=False, default=0, repr=False)

    def take(self, size: int) -> bytes:
        """*size* octets, at most POOL."""
        end = self._at + size
        if end > len(self._pool):
            self._pool, self._at, end = os.urandom(POOL_BYTES), 0, size
        taken = self._pool[self._at : end]
        self._at = end
        return taken


#: For each octet the bit that turns its case, 0 for what is no letter. Label lengths are below "A", so they stay.
_CASE_BITS = bytes(0x20 if chr(octet).isascii() and chr(octet).isalpha() else 0 for octet in range(256))


def randomize_case(name: bytes, noise: bytes) -> bytes:
    """*name* (wire form) with the case of each letter turned where *noise*, as long as *name*, says so."""
    letters = int.from_bytes(name.translate(_CASE_BITS), "big")
    turned = int.from_bytes(name, "big") ^ (letters & int.from_bytes(noise, "big"))
    return turned.to_bytes(len(name), "big")
