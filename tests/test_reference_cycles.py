"""No ending of a query or a connection leaves a reference cycle: the oldest generation is seldom collected."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from attrs import frozen
from twisted.internet import reactor as default_reactor

from graydns.assembly import make_server
from graydns.listen.connections import ListenerLimits
from graydns.listen.listener import Listener
from graydns.listen.listeners import Listeners
from graydns.listen.tls_context import TlsContext, write_demo_certificate
from graydns.model.transport import TCP, TLS, UDP, Transport
from tests.coroutines import on_reactor
from tests.garbage import assert_no_cycles
from tests.upstream.scripted import Script, ScriptedServer, scripted, silent, turn

reactor: Any = default_reactor

QUERIES = 10

#: Seconds: the deadline of the upstream group; when a late reply comes; longer than either; longer than a TTL of 1 s.
DEADLINE, LATE, SETTLED, REPEATED = 0.06, 0.12, 0.2, 1.1

CONFIG = """\
listen: ["udp://127.0.0.1:5300"]
data: .
http: null
admin: null
upstreams: {{default: {{servers: ["{server}"], deadline: {deadline}ms}}}}
forward: {{".": default}}
{more}
"""

Reply: TypeAlias = Callable[[dns.message.Message], dns.message.Message | bytes]


def script(make_reply: Reply) -> Script:
    """A script that sends one reply to each query."""

    def answer(wire: bytes) -> Sequence[bytes]:
        reply = make_reply(dns.message.from_wire(wire))
        return [reply if isinstance(reply, bytes) else reply.to_wire()]

    return answer


def respond(
    query: dns.message.Message, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, flags: int = 0
) -> dns.message.Message:
    """An empty response to *query*."""
    response = dns.message.make_response(query)
    response.set_rcode(rcode)
    response.flags |= flags
    return response


def other_case(query: dns.message.Message) -> bytes:
    """A response whose question is in other letters."""
    return respond(query).to_wire().swapcase()[:2] + respond(query).to_wire()[2:].swapcase()


def answer_once(query: dns.message.Message) -> dns.message.Message:
    """A response with an address that lasts a second."""
    response = respond(query)
    response.answer = [dns.rrset.from_text(query.question[0].name, 1, "IN", "A", "192.0.2.1")]
    return response


def answer_first_time() -> Script:
    """A script that answers each name once, and is silent from then on."""
    answered = set()

    def answer(wire: bytes) -> Sequence[bytes]:
        name = wire[12:].lower()
        if name in answered:
            return ()
        answered.add(name)
        return [*script(answer_once)(wire)]

    return answer


@frozen
class Ending:
    """A way in which queries end.

    What the upstream does, over UDP and TCP; what is added to the configuration; how the upstream is written there.
    *repeats*: the same names are asked again, once their TTL is over.
    """

    over_udp: Script = silent
    over_tcp: Script = silent
    more: str = ""
    is_late: bool = False
    server: str = "udp://127.0.0.1:{port}"
    repeats: bool = False


ANSWERS = script(respond)
TRUNCATED = script(lambda query: respond(query, flags=dns.flags.TC))

ENDINGS = {
    "answer": Ending(ANSWERS),
    "SERVFAIL": Ending(script(lambda query: respond(query, dns.rcode.SERVFAIL))),
    "silence": Ending(),
    "late reply": Ending(is_late=True),
    "malformed reply": Ending(script(lambda query: respond(query).to_wire()[:-3])),
    "header alone": Ending(script(lambda query: query.to_wire()[:12])),
    "another question": Ending(script(lambda query: respond(dns.message.make_query("other.test", "A", id=query.id)))),
    "truncated, then TCP": Ending(TRUNCATED, ANSWERS),
    "truncated, then silence": Ending(TRUNCATED),
    "truncated, then a malformed message": Ending(TRUNCATED, lambda query: [b"\0"]),
    "not validated": Ending(ANSWERS, more="dnssec: {validate: true}"),
    "validated in silence": Ending(more="dnssec: {validate: true}"),
    "over the limit": Ending(more="limits: {max_inflight: 2}"),
    "refused": Ending(server="udp://127.0.0.1:1"),
    "truncated, then a reset": Ending(TRUNCATED, lambda query: [b""]),
    "stale, then fresh": Ending(script(answer_once), more="cache: {stale: {client_timeout: 50ms}}", repeats=True),
    "stale": Ending(answer_first_time(), more="cache: {stale: {client_timeout: 10ms}}", repeats=True),
    "stale at once": Ending(answer_first_time(), repeats=True),
}


@frozen
class Clients:
    """Opens sockets to the listeners of a server."""

    ports: dict[Transport, int]

    async def ask(self, transport: Transport, first: int) -> list[socket.socket]:
        """Sockets over which QUERIES different queries have been sent."""
        sockets = []
        for number in range(first, first + QUERIES):
            message = dns.message.make_query(f"n{number}.example.com", "A", use_edns=0).to_wire()
            if transport.is_datagram:
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            else:
                client = socket.socket()
                message = len(message).to_bytes(2, "big") + message
            client.connect(("127.0.0.1", self.ports[transport]))
            client.setblocking(False)
            client.send(message)
            sockets.append(client)
        return sockets


async def finish(sockets: Sequence[socket.socket]) -> None:
    """Read one reply from each, and close it."""
    for client in sockets:
        while True:
            try:
                assert client.recv(4096)
            except (BlockingIOError, ssl.SSLWantReadError):
                await turn(0.002)
            else:
                break
        client.close()


async def abort(sockets: Sequence[socket.socket]) -> None:
    """Close all after the queries have arrived, with a reset."""
    await turn(DEADLINE / 3)
    for client in sockets:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()


async def run(
    folder: Path, ending: Ending, transport: Transport, end: Callable[[Sequence[socket.socket]], Awaitable[None]]
) -> None:
    """Ask QUERIES queries, and the same again: the first time makes what is made once."""

    def answer_late(query: bytes) -> Sequence[bytes]:
        at = upstream.senders[-1]
        reactor.callLater(LATE, upstream.send, respond(dns.message.from_wire(query)).to_wire(), at)
        return ()

    upstream: ScriptedServer
    async with scripted(answer_late if ending.is_late else ending.over_udp, ending.over_tcp) as upstream:
        config = folder / "graydns.yaml"
        (folder / "zones").mkdir()
        config.write_text(
            CONFIG.format(
                server=ending.server.format(port=upstream.port), deadline=round(DEADLINE * 1000), more=ending.more
            )
        )
        front = make_server(config, reactor).server.front
        listeners = Listeners(
            [Listener(each, "127.0.0.1", 0) for each in (UDP, TCP)], front, ListenerLimits(), reactor, None
        )
        listeners.startService()
        numbers = count(0, 0 if ending.repeats else QUERIES)

        async def ask_once() -> None:
            await end(await clients.ask(transport, next(numbers)))
            await turn(REPEATED if ending.repeats else SETTLED)

        clients = Clients({each.transport: each.port for each in listeners.listening})
        try:
            await ask_once()
            await assert_no_cycles(ask_once)
        finally:
            await listeners.stopService()


@pytest.mark.parametrize("transport", [UDP, TCP], ids=str)
@pytest.mark.parametrize("ending", ENDINGS)
@on_reactor
async def test_no_ending_of_a_query_leaves_a_cycle(tmp_path: Path, ending: str, transport: Transport) -> None:
    """Whatever the upstream does."""
    await run(tmp_path, ENDINGS[ending], transport, finish)


async def handshake(client: ssl.SSLSocket) -> None:
    """Complete the TLS handshake of *client*."""
    while True:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            await turn(0.002)
        else:
            return


async def end_tls(port: int, way: str) -> None:
    """Connect to a listener for DNS over TLS and end the connection in this *way*."""
    plain = socket.create_connection(("127.0.0.1", port))
    plain.setblocking(False)
    if way == "no handshake":
        plain.send(b"GET / HTTP/1.0\r\n\r\n")
        await turn(0.01)
        plain.close()
        return
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_socket(plain, do_handshake_on_connect=False)
    if way == "half a handshake":
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        await abort([client])
        return
    await handshake(client)
    message = dns.message.make_query("n.example.com", "A").to_wire()
    client.send(len(message).to_bytes(2, "big") + message)
    await (finish if way == "answer" else abort)([client])


@pytest.mark.parametrize("way", ["answer", "reset", "no handshake", "half a handshake"])
@on_reactor
async def test_no_ending_of_a_tls_connection_leaves_a_cycle(tmp_path: Path, way: str) -> None:
    """Of a client."""
    async with scripted() as upstream:
        config = tmp_path / "graydns.yaml"
        (tmp_path / "zones").mkdir()
        server = f"udp://127.0.0.1:{upstream.port}"
        config.write_text(CONFIG.format(server=server, deadline=round(DEADLINE * 1000), more=""))
        certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
        write_demo_certificate(certificate, key)
        front, tls = make_server(config, reactor).server.front, TlsContext(certificate, key)
        listeners = Listeners([Listener(TLS, "127.0.0.1", 0)], front, ListenerLimits(), reactor, tls)
        listeners.startService()

        async def connect() -> None:
            for _ in range(QUERIES):
                await end_tls(listeners.listening[0].port, way)
            await turn(SETTLED)

        try:
            await connect()
            await assert_no_cycles(connect)
        finally:
            await listeners.stopService()


@pytest.mark.parametrize("more", ["", "dnssec: {validate: true}"], ids=["plain", "validating"])
@on_reactor
async def test_a_client_that_resets_its_connection_leaves_no_cycle(tmp_path: Path, more: str) -> None:
    """While its query waits for an upstream."""
    await run(tmp_path, Ending(more=more), TCP, abort)
