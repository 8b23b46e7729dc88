"""Injector: stands between resolvers and the hierarchy, and spoils the answers of the zones that are to suffer.

Every reply is made once, so that all who ask get the same one, whenever they ask.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Lock, Thread

import dns.flags
import dns.message
from attrs import define, field
from dns.name import Name, root
from dns.rdatatype import DNSKEY, DS

from tests.dnssec.world.editing import render
from tests.dnssec.world.faults import Fault, Scope
from tools.signed.zone import Zone

#: Octets of a DNS header, and the flags in it that replies repeat: RD and CD.
_HEADER, _ECHOED = 12, 0x0110

#: What resolvers may be told over UDP; the rest they fetch over TCP.
_DATAGRAM = 1232


@define
class Injector:
    """Answers with what the server at port *upstream* says, and with the faults of *zones* in it."""

    upstream: int
    zones: Mapping[Name, tuple[Zone, Fault]]
    _kept: dict[bytes, bytes] = field(init=False, factory=dict)
    _lock: Lock = field(init=False, factory=Lock)
    _stream: socket.socket | None = field(init=False, default=None)

    def reply(self, asked: bytes) -> bytes:
        """The reply to *asked*, whole."""
        query = dns.message.from_wire(asked)
        end = _end(query)
        name, rest = asked[_HEADER : end - 4].lower(), asked[end - 4 : end]
        key = name + rest + bytes([bool(query.ednsflags & dns.flags.DO)])
        with self._lock:
            if (kept := self._kept.get(key)) is None:
                kept = self._kept[key] = self._make(query)
        flags = struct.unpack_from("!H", kept, 2)[0] & ~_ECHOED | query.flags & _ECHOED
        return asked[:2] + struct.pack("!H", flags) + kept[4:_HEADER] + asked[_HEADER:end] + kept[end:]

    def _make(self, query: dns.message.Message) -> bytes:
        octets = self._ask(query.to_wire())
        if (spoiler := self._spoiler(query.question[0].name)) is None:
            return octets
        zone, fault = spoiler
        reply = dns.message.from_wire(octets)
        question = reply.question[0]
        scopes: dict[int, Scope] = {DS: "ds", DNSKEY: "keys"} if question.name == zone.origin else {}
        if fault.scope != scopes.get(question.rdtype, "data"):
            return octets
        fault.apply(reply, zone)
        return render(reply)

    def _spoiler(self, name: Name) -> tuple[Zone, Fault] | None:
        while name not in self.zones:
            if name == root:
                return None
            name = name.parent()
        return self.zones[name]

    def _ask(self, octets: bytes) -> bytes:
        """What the server says, over a connection that it may have closed since."""
        for _ in range(2):
            if self._stream is None:
                self._stream = socket.create_connection(("127.0.0.1", self.upstream), 10)
            try:
                self._stream.sendall(struct.pack("!H", len(octets)) + octets)
                return _exactly(self._stream, *struct.unpack("!H", _exactly(self._stream, 2)))
            except (OSError, EOFError):
                self._stream.close()
                self._stream = None
        raise ConnectionError("the server of the hierarchy closes its connections")

    def close(self) -> None:
        """Leave the server."""
        if self._stream is not None:
            self._stream.close()


@contextmanager
def injecting(injector: Injector) -> Iterator[int]:
    """The port of 127.0.0.1 where *injector* answers, over UDP and TCP."""

    class Stream(BaseRequestHandler):
        """A TCP connection, with any number of questions."""

        def handle(self) -> None:
            with suppress(OSError, EOFError):
                while True:
                    (size,) = struct.unpack("!H", _exactly(self.request, 2))
                    reply = injector.reply(_exactly(self.request, size))
                    self.request.sendall(struct.pack("!H", len(reply)) + reply)

    class Streams(ThreadingTCPServer):
        """Ends with the test, whatever is still connected."""

        daemon_threads = True
        block_on_close = False
        allow_reuse_address = True
        request_queue_size = 128

    with Streams(("127.0.0.1", 0), Stream) as streams, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        port = int(streams.server_address[1])
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        datagrams.bind(("127.0.0.1", port))
        threads = [
            Thread(target=streams.serve_forever, args=(0.05,)),
            Thread(target=_answer, args=(injector, datagrams)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield port
        finally:
            streams.shutdown()
            datagrams.sendto(b"", ("127.0.0.1", port))
            for thread in threads:
                thread.join()
            injector.close()


def _answer(injector: Injector, datagrams: socket.socket) -> None:
    """Answer over UDP until an empty datagram comes."""
    while True:
        asked, sender = datagrams.recvfrom(4096)
        if not asked:
            return
        reply = injector.reply(asked)
        if len(reply) > _DATAGRAM:
            end = _end(dns.message.from_wire(asked))
            flags = struct.unpack_from("!H", reply, 2)[0] | dns.flags.TC
            reply = reply[:2] + struct.pack("!H", flags) + reply[4:6] + bytes(6) + reply[_HEADER:end]
        datagrams.sendto(reply, sender)


def _end(query: dns.message.Message) -> int:
    """Where the question ends."""
    return _HEADER + len(query.question[0].name.to_digestable()) + 4


def _exactly(stream: socket.socket, size: int) -> bytes:
    octets = b""
    while len(octets) < size:
        if not (more := stream.recv(size - len(octets))):
            raise EOFError
        octets += more
    return octets
