"""Prompt connections send at once what fits, and all the rest in order."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from graydns.listen.stream_port import EagerWriteConnection

#: More than the buffers of a pair of sockets hold.
LARGE = bytes(range(256)) * (1 << 15)


class Writers:
    """A reactor that only keeps who waits to write."""

    def __init__(self) -> None:
        self.waiting: set[object] = set()

    def addReader(self, reader: object) -> None:
        """Nothing is read here."""

    removeReader = addReader

    def addWriter(self, writer: object) -> None:
        self.waiting.add(writer)

    def removeWriter(self, writer: object) -> None:
        self.waiting.discard(writer)


@define
class Pair:
    """A connection and its client's socket."""

    reactor: Writers
    connection: EagerWriteConnection
    client: socket.socket
    got: bytearray = field(factory=bytearray)

    def take(self) -> bytes:
        """What the client has received so far."""
        while True:
            try:
                piece = self.client.recv(1 << 20)
            except BlockingIOError:
                break
            if not piece:
                break
            self.got += piece
        return bytes(self.got)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """An open connection."""
    server, client = socket.socketpair()
    client.setblocking(False)
    reactor = Writers()
    loose: Any = SimpleNamespace(_realPortNumber=0)
    protocol: Any = Protocol()
    untyped: Any = reactor
    connection = EagerWriteConnection(server, protocol, ("127.0.0.1", 5), loose, 1, untyped)
    with client:
        yield Pair(reactor, connection, client)
        server.close()


def test_what_fits_is_sent_without_asking_the_reactor(pair: Pair) -> None:
    """A batch of answers is with the client when write returns."""
    pair.connection.write(b"one")
    pair.connection.write(b"two")
    assert pair.take() == b"onetwo"
    assert not pair.reactor.waiting


def test_what_does_not_fit_keeps_its_place(pair: Pair) -> None:
    """Nothing overtakes what the client was too slow for, and once that is sent, writes are prompt again."""
    pair.connection.write(LARGE)
    pair.connection.write(b"after")
    assert pair.reactor.waiting == {pair.connection}
    while pair.reactor.waiting:
        pair.take()
        pair.connection.doWrite()
    assert pair.take() == LARGE + b"after"
    pair.connection.write(b"prompt")
    assert pair.take().endswith(b"prompt")
    assert not pair.reactor.waiting


def test_a_lost_connection_swallows_what_is_written(pair: Pair) -> None:
    """Writing to a client that is gone raises nothing, before the reactor knows of it and afterwards."""
    pair.client.close()
    pair.connection.write(b"into the void")
    assert pair.connection.doWrite() is not None  # what tells the reactor
    pair.connection.connectionLost(Failure(ConnectionDone()))
    pair.connection.write(b"later still")
    assert not pair.reactor.waiting
