"""A front that is real but tiny: the first label of the name says what becomes of a query."""

from __future__ import annotations

import struct

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred

from graydns.model.client import Client
from graydns.model.query import Query
from graydns.model.transport import Transport


@frozen
class TinyPeer:
    """Who asks; *source* is made from the text as it comes."""

    address: str
    transport: Transport
    identity: str | None
    tenant: str | None
    source: bytes


@define(eq=False)
class TinyFront:
    """``hot…`` is answered at once, ``big…`` with *big* octets, ``miss…`` when the test releases it; ``none…`` gets
    silence and ``boom…`` an exception. *peers*: everyone who was asked about. *cancelled*: misses that were."""

    big: int = 60_000
    peers: list[TinyPeer] = field(factory=list)
    asked: list[bytes] = field(factory=list)
    waiting: dict[bytes, Deferred[None]] = field(factory=dict)
    cancelled: list[bytes] = field(factory=list)

    def peer(
        self, address: str, transport: Transport, identity: str | None = None, tenant: str | None = None
    ) -> TinyPeer:
        source = bytes(map(int, address.split("."))) if "." in address else bytes(15) + b"\1"
        self.peers.append(TinyPeer(address, transport, identity, tenant, source))
        return self.peers[-1]

    def answer(self, wire: bytes, peer: TinyPeer) -> bytes | Query | None:
        label = label_of(wire)
        self.asked.append(label)
        if label.startswith(b"hot"):
            return reply_to(wire)
        if label.startswith(b"big"):
            return reply_to(wire).ljust(self.big, b"\0")
        if label.startswith(b"none"):
            return None
        if label.startswith(b"boom"):
            raise RuntimeError("boom")
        return Query(struct.unpack_from("!H", wire)[0], wire, wire[12:], wire[12:-4], 1, 1, Client(peer.source))

    async def resolve(self, query: Query, peer: TinyPeer) -> bytes | None:
        label = label_of(query.wire)
        self.waiting[label] = Deferred()
        try:
            await self.waiting[label]
        except CancelledError:
            self.cancelled.append(label)
            raise
        return reply_to(query.wire)

    def release(self, label: bytes) -> None:
        """Let the miss for *label* be answered."""
        self.waiting.pop(label).callback(None)


def label_of(wire: bytes) -> bytes:
    return wire[13 : 13 + wire[12]]


def question(label: str, number: int = 0) -> bytes:
    """A query for A records of ``LABEL.test``, *number* being its id."""
    name = bytes((len(label),)) + label.encode() + b"\4test\0"
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1"


def reply_to(wire: bytes) -> bytes:
    """The same message as a response: NODATA."""
    return wire[:2] + bytes((wire[2] | 0x84,)) + wire[3:]


def framed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)
