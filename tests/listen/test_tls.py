from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from twisted.internet.error import ConnectionDone
from twisted.internet.utils import getProcessOutputAndValue

from graydns.listen.connections import HANDSHAKE_SLOT_SECONDS, MAX_CONCURRENT_HANDSHAKES, ListenerLimits
from graydns.listen.tls_context import TlsContext
from graydns.model.transport import TLS
from tests.coroutines import on_reactor
from tests.listen.certificates import ClientTls, Issued, issue
from tests.listen.running import Running, StreamClient, running, turn, until
from tests.listen.tiny import framed, question, reply_to

LIMITS = ListenerLimits(max_per_source=1000)


@pytest.fixture
def pair(tmp_path: Path) -> Issued:
    return issue(tmp_path, "server.test")


@pytest.fixture
def tls(pair: Issued) -> TlsContext:
    return TlsContext(pair.certificate_file, pair.key_file)


@on_reactor
async def test_questions_are_answered_over_tls(tls: TlsContext) -> None:
    """Hot replies at once, misses when they are ready; the handler gets the transport and no identity."""
    async with running(TLS, tls=tls) as running_listeners:
        client = await running_listeners.tls()
        client.send(question("miss", 1), question("hot", 2))
        await client.received(1)
        running_listeners.front.release(b"miss")
        assert await client.received(2) == [reply_to(question("hot", 2)), reply_to(question("miss", 1))]
        (peer,) = running_listeners.front.peers
        assert (peer.transport, peer.identity) == (TLS, None)
        assert client.transport.negotiatedProtocol == b"dot"
        await client.close()


@on_reactor
async def test_many_records_of_one_segment_are_answered_together(tls: TlsContext) -> None:
    """A thousand questions, each in a record of its own, get all their answers in order."""
    async with running(TLS, tls=tls) as running_listeners:
        client = await running_listeners.tls()
        connection = client.transport.getHandle()
        await client_ready(client)
        for number in range(1000):
            connection.send(framed(question("hot", number)))
        client.transport.transport.write(connection.bio_read(1 << 20))
        got = await client.received(1000)
        assert [int.from_bytes(message[:2], "big") for message in got] == list(range(1000))
        await client.close()


@on_reactor
async def test_a_client_that_does_not_read_is_waited_for(tls: TlsContext) -> None:
    """Answers that pile up stop the questions, and nothing is lost once they are taken."""
    async with running(TLS, tls=tls) as running_listeners:
        client = await running_listeners.tls()
        await client_ready(client)
        client.transport.pauseProducing()
        client.send(*(question("big", number) for number in range(300)))
        await until(lambda: len(running_listeners.service.connections.stalled) == 1)
        client.transport.resumeProducing()
        got = await client.received(300)
        assert [int.from_bytes(message[:2], "big") for message in got] == list(range(300))
        await client.close()


@on_reactor
async def test_at_the_limit_the_listener_stops_reading_and_drops_nothing(tls: TlsContext) -> None:
    """``max_pipelined`` holds over TLS too."""
    async with running(TLS, limits=ListenerLimits(max_pipelined=5), tls=tls) as running_listeners:
        client, front = await running_listeners.tls(), running_listeners.front
        client.send(*(question(f"miss-{number}", number) for number in range(200)))
        most = 0
        for _ in range(200):
            await until(lambda: bool(front.waiting))
            most = max(most, len(front.waiting))
            front.release(min(front.waiting))
        assert len(await client.received(200)) == 200
        assert most == 5
        await client.close()


@on_reactor
async def test_questions_in_one_segment_with_the_close_are_answered(tls: TlsContext) -> None:
    """A client that says close_notify right behind its question still gets the answer."""
    async with running(TLS, tls=tls) as running_listeners:
        client = await running_listeners.tls()
        await client_ready(client)
        connection = client.transport.getHandle()
        connection.send(framed(question("hot")))
        connection.shutdown()
        client.transport.transport.write(connection.bio_read(1 << 16))
        assert await client.received(1) == [reply_to(question("hot"))]
        await client.closed()


@on_reactor
async def test_a_close_cancels_what_is_pending(tls: TlsContext) -> None:
    """After close_notify nobody takes an answer any more (RFC 5246 section 7.2.1)."""
    async with running(TLS, tls=tls) as running_listeners:
        client = await running_listeners.tls()
        client.send(question("miss"))
        await until(lambda: bool(running_listeners.front.waiting))
        await client.close()
        await until(lambda: running_listeners.front.cancelled == [b"miss"])


@on_reactor
async def test_an_idle_connection_is_closed_in_order(tls: TlsContext) -> None:
    """The client hears close_notify, not just the end of TCP."""
    async with running(TLS, tls=tls) as running_listeners:
        client = await running_listeners.tls()
        await client_ready(client)
        running_listeners.clock.advance(8)
        await client.closed()
        assert isinstance(client.reason, ConnectionDone)


@on_reactor
async def test_a_handshake_that_takes_too_long_is_dropped(tls: TlsContext) -> None:
    """Octets that dribble in do not make it longer."""
    async with running(TLS, tls=tls) as running_listeners:
        client = await running_listeners.tcp()
        await until(lambda: len(running_listeners.service.connections) == 1)
        for octet in b"\x16\x03\x01":
            client.transport.write(bytes((octet,)))
            await turn(3)
            running_listeners.clock.advance(1)
        await client.closed()
        assert running_listeners.front.asked == []


@on_reactor
async def test_what_is_not_tls_is_dropped(tls: TlsContext) -> None:
    """Plain DNS on a TLS listener ends the connection, and gets no answer."""
    async with running(TLS, tls=tls) as running_listeners:
        client = await running_listeners.tcp()
        client.send(question("hot"))
        await client.closed()
        assert running_listeners.front.asked == []
        await until(lambda: len(running_listeners.service.connections) == 0)


@on_reactor
async def test_a_flood_of_silent_clients_shuts_nobody_out(tls: TlsContext) -> None:
    """With every handshake place held by a silent client, an honest one waits for a moment and is served."""
    async with running(TLS, limits=LIMITS, tls=tls) as running_listeners:
        silent = [await running_listeners.tcp() for _ in range(MAX_CONCURRENT_HANDSHAKES + 10)]
        await until(lambda: len(running_listeners.service.connections) == len(silent))
        assert len(running_listeners.service.connections.handshakes) == MAX_CONCURRENT_HANDSHAKES
        honest = await running_listeners.tls()
        honest.send(question("hot"))
        await until(lambda: len(running_listeners.service.connections) == len(silent) + 1)
        assert honest.messages == []
        running_listeners.clock.advance(HANDSHAKE_SLOT_SECONDS)
        assert await honest.received(1) == [reply_to(question("hot"))]
        assert len(running_listeners.service.connections.handshakes) <= MAX_CONCURRENT_HANDSHAKES
        for client in (honest, *silent):
            client.transport.abortConnection()
            await client.closed()


@on_reactor
async def test_a_crowd_that_comes_at_once_is_served_in_turn(tls: TlsContext) -> None:
    """More honest clients than places: all do their handshake, none is dropped."""
    async with running(TLS, limits=LIMITS, tls=tls) as running_listeners:
        crowd = [await running_listeners.tls() for _ in range(MAX_CONCURRENT_HANDSHAKES * 2)]
        for client in crowd:
            client.send(question("hot"))
        for client in crowd:
            assert len(await client.received(1)) == 1
            await client.close()


@on_reactor
async def test_a_verified_certificate_gives_an_identity(tmp_path: Path, pair: Issued) -> None:
    """The front hears the name in the client's certificate; a client without one stays nameless."""
    authority = issue(tmp_path, "ca", authority=True)
    shown = issue(tmp_path, "qa", [x509.DNSName("qa-laptop.test")], issuer=authority)
    tls = TlsContext(pair.certificate_file, pair.key_file, authority.certificate_file)
    async with running(TLS, tls=tls) as running_listeners:
        for offer, identity in ((ClientTls(shown=shown), "tls:qa-laptop.test"), (ClientTls(), None)):
            client = await running_listeners.tls(offer)
            client.send(question("hot"))
            await client.received(1)
            peer = running_listeners.front.peers[-1]
            assert (peer.address, peer.transport, peer.identity) == ("127.0.0.1", TLS, identity)
            await client.close()


@on_reactor
async def test_a_reload_changes_new_connections_only(tmp_path: Path, pair: Issued, tls: TlsContext) -> None:
    """A connection that is open goes on; the next one sees the new certificate."""
    async with running(TLS, tls=tls) as running_listeners:
        before = await running_listeners.tls()
        await client_ready(before)
        renewed = issue(tmp_path, "server.test")
        pair.certificate_file.write_bytes(renewed.certificate_file.read_bytes())
        pair.key_file.write_bytes(renewed.key_file.read_bytes())
        tls.reload()
        after = await running_listeners.tls()
        await client_ready(after)
        seen = after.transport.getPeerCertificate().to_cryptography().serial_number
        assert seen == renewed.certificate.serial_number
        before.send(question("hot"))
        await before.received(1)
        for client in (before, after):
            await client.close()


@on_reactor
async def test_kdig_is_answered(tls: TlsContext, require_peer: Callable[[str], str]) -> None:
    """A client of another make, with ALPN and several questions on one connection, gets its answers."""
    kdig = require_peer("kdig")
    async with running(TLS, tls=tls) as running_listeners:
        listener = running_listeners.service.listening[0]
        arguments = ["@127.0.0.1", "-p", str(listener.port), "+tls", "+keepopen", "hot.test", "A", "hot.test", "AAAA"]
        out, _, status = await getProcessOutputAndValue(kdig, arguments)
        assert status == 0
        assert out.count(b"status: NOERROR") == 2


def close_notify(client: StreamClient) -> None:
    client.transport.loseConnection()


def fin(client: StreamClient) -> None:
    client.transport.transport.loseConnection()


def reset(client: StreamClient) -> None:
    client.transport.transport.abortConnection()


def forged(client: StreamClient) -> None:
    client.transport.transport.write(b"\x17\x03\x03\x00\x20" + bytes(32))


def no_dns(client: StreamClient) -> None:
    client.send(b"short")


@pytest.mark.parametrize("end", [close_notify, fin, reset, forged, no_dns])
@on_reactor
async def test_a_connection_that_ended_leaves_nothing_behind(
    tls: TlsContext, end: Callable[[StreamClient], None]
) -> None:
    """However a TLS connection ends, it frees itself by reference count: full collections are off while serving."""
    async with running(TLS, tls=tls) as running_listeners:
        client = await running_listeners.tls()
        await client_ready(client)
        await freed(running_listeners, lambda: end(client))
        await client.closed()


@pytest.mark.parametrize("octets", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00"])
@on_reactor
async def test_a_handshake_that_failed_leaves_nothing_behind(tls: TlsContext, octets: bytes) -> None:
    """Neither does a client that is no TLS client, or gives up."""
    async with running(TLS, tls=tls) as running_listeners:
        client = await running_listeners.tcp()
        await until(lambda: len(running_listeners.service.connections) == 1)

        def end() -> None:
            client.transport.write(octets)
            client.transport.loseConnection()

        await freed(running_listeners, end)


async def freed(running_listeners: Running, end: Callable[[], None]) -> None:
    """End the only connection; no part of its server side may be left then, without any collection."""
    (connection,) = running_listeners.service.connections
    transport = connection.transport  # type: ignore[attr-defined]
    parts = [weakref.ref(connection), weakref.ref(transport), weakref.ref(transport.getHandle())]
    del connection, transport
    gc.collect()
    gc.disable()
    try:
        end()
        await until(lambda: len(running_listeners.service.connections) == 0)
        await turn(3)
        assert [part() for part in parts] == [None, None, None]
    finally:
        gc.enable()


async def client_ready(client: StreamClient) -> None:
    """Wait until the handshake is done on both sides."""
    client.send(question("hot"))
    await client.received(1)
    client.messages.clear()
