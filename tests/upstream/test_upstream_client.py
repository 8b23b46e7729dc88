"""Asking servers over real sockets; at the end of each test nothing of it is left open."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol

from graydns.model.client import Subnet
from graydns.model.errors import UpstreamError
from graydns.upstream.server_groups import UpstreamServer
from tests.coroutines import on_reactor
from tests.upstream.queries import Notes, make_query, show, write_reply
from tests.upstream.scripted import group_of, make_client, reactor, scripted, silent, turn

ADDRESS = "www.shop.test. 60 IN A 192.0.2.1"
FORGED = "www.shop.test. 60 IN A 203.0.113.66"


def honest(query: bytes) -> Iterable[bytes]:
    """The script of a good server; its answer has the letter case of the question."""
    return [write_reply(query, [ADDRESS])]


def truncated(query: bytes) -> Iterable[bytes]:
    """The script of a server whose answer does not fit a datagram."""
    reply = write_reply(query)
    return [reply[:2] + bytes((reply[2] | 2,)) + reply[3:]]


@on_reactor
async def test_answer_comes_over_udp() -> None:
    """An honest server is asked once, with RD and an OPT record of 1232 octets, and believed."""
    async with scripted(honest) as server:
        query = make_query()
        answer = await make_client().ask(query, group_of(server.server))
        assert show(query, answer) == [f"answer {ADDRESS}"]
        assert len(server.asked) == 1
        assert server.asked[0][2:4] == b"\1\0"
        assert server.asked[0][-11:] == bytes.fromhex("00002904d0000000000000")


@on_reactor
async def test_every_exchange_looks_different() -> None:
    """Ports, IDs and letter case differ from question to question."""
    async with scripted(honest) as server:
        client, group = make_client(), group_of(server.server)
        for _ in range(20):
            await client.ask(make_query(), group)
        assert len({port for _, port in server.senders}) > 15
        assert len({query[:2] for query in server.asked}) > 15
        assert len({query[12:28] for query in server.asked}) > 15
        assert {query[12:28].lower() for query in server.asked} == {make_query().question[:16]}


def wrong_id(query: bytes) -> bytes:
    """A forged reply that guesses the ID wrong."""
    return struct.pack("!H", int.from_bytes(query[:2], "big") ^ 1) + write_reply(query, [FORGED])[2:]


@pytest.mark.parametrize("change", ["ID", "QR", "opcode", "question", "no question", "short"])
@on_reactor
async def test_replies_that_do_not_fit_are_ignored(change: str) -> None:
    """What is not a reply to this very question is counted, and the true reply still taken."""

    def script(query: bytes) -> Iterable[bytes]:
        reply = write_reply(query, [FORGED])
        yield {
            "ID": wrong_id(query),
            "QR": query,
            "opcode": reply[:2] + bytes((reply[2] | 0x10,)) + reply[3:],
            "question": reply[:16] + b"x" + reply[17:],
            "no question": reply[:4] + b"\0\0" + reply[6:],
            "short": reply[:9],
        }[change]
        yield write_reply(query, [ADDRESS])

    notes = Notes()
    async with scripted(script) as server:
        query = make_query()
        answer = await make_client(notes).ask(query, group_of(server.server))
        assert show(query, answer) == [f"answer {ADDRESS}"]
        assert notes.kinds == ["upstream-mismatch"]


@on_reactor
async def test_nobody_else_is_heard() -> None:
    """A perfect reply from another port never arrives."""
    waiting: Deferred[tuple[str, int]] = Deferred()

    async with scripted(silent) as server:

        def script(query: bytes) -> Iterable[bytes]:
            if not waiting.called:
                waiting.callback(server.senders[-1])
            return ()

        server.over_udp = script
        asking = make_client().ask(make_query(), group_of(server.server))
        victim = await waiting
        forger = reactor.listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
        forger.write(write_reply(server.asked[0], [FORGED]), victim)
        await turn(0.01)
        server.send(write_reply(server.asked[0], [ADDRESS]), victim)
        assert show(make_query(), await asking) == [f"answer {ADDRESS}"]
        await forger.stopListening()


@on_reactor
async def test_many_misfits_send_the_question_over_tcp() -> None:
    """After three replies that do not fit, the same server is asked over TCP."""
    async with scripted(lambda query: [wrong_id(query)] * 3, honest) as server:
        query, notes = make_query(), Notes()
        answer = await make_client(notes).ask(query, group_of(server.server))
        assert show(query, answer) == [f"answer {ADDRESS}"]
        assert (len(server.asked), len(server.asked_over_tcp), notes.kinds) == (1, 1, ["upstream-mismatch"] * 3)


@on_reactor
async def test_server_that_changes_case_is_asked_over_tcp() -> None:
    """A reply in other letters is not believed; TCP needs no such proof, so the question goes there at once."""

    def lowering(query: bytes) -> Iterable[bytes]:
        reply = write_reply(query, [FORGED])
        yield reply[:12] + reply[12:28].swapcase() + reply[28:]

    async with scripted(lowering, lambda query: [write_reply(query[:12] + query[12:].swapcase(), [ADDRESS])]) as server:
        query = make_query()
        answer = await make_client().ask(query, group_of(server.server))
        assert [line.lower() for line in show(query, answer)] == [f"answer {ADDRESS}".lower()]


@on_reactor
async def test_truncated_answer_is_fetched_over_tcp() -> None:
    """TC sends the question to the same server over TCP, and large answers come whole."""
    records = " / ".join(f"192.0.2.{number}" for number in range(1, 200))
    async with scripted(truncated, lambda query: [write_reply(query, [f"www.shop.test. 60 IN A {records}"])]) as server:
        answer = await make_client().ask(make_query(), group_of(server.server))
        assert answer.counts() == (199, 0, 0)


@pytest.mark.parametrize("reply", [b"", b"\0", b"\0" * 40, b"garbage" * 10])
@on_reactor
async def test_garbage_over_tcp_is_a_failure(reply: bytes) -> None:
    """A server whose TCP reply is no reply has failed."""
    async with scripted(truncated, lambda query: [query[:2] + reply] if len(reply) == 40 else [reply]) as server:
        with pytest.raises(UpstreamError):
            await make_client().ask(make_query(), group_of(server.server))


@on_reactor
async def test_garbage_over_udp_is_a_failure() -> None:
    """A reply that fits by its header but is malformed makes the server useless, without waiting."""
    async with scripted(lambda query: [write_reply(query, [ADDRESS])[:-3]]) as server:
        with pytest.raises(UpstreamError) as caught:
            await make_client().ask(make_query(), group_of(server.server))
        assert (caught.value.rcode, caught.value.ede) == (2, 22)


@on_reactor
async def test_silence_ends_with_the_deadline() -> None:
    """A silent server is asked three times within the deadline; then the error says so, as EDE 22."""
    async with scripted() as server:
        with pytest.raises(UpstreamError) as caught:
            await make_client().ask(make_query(), group_of(server.server, deadline=0.06))
        assert caught.value.ede == 22
        assert "no answer in 60 ms" in str(caught.value)
        assert len(server.asked) == 3


@on_reactor
async def test_slow_first_answer_is_as_good_as_a_fresh_one() -> None:
    """The reply to the first datagram is taken although the question has been sent again since."""

    def script(query: bytes) -> Iterable[bytes]:
        if len(server.asked) < 2:
            return ()
        server.send(write_reply(server.asked[0], [ADDRESS]), server.senders[0])
        return ()

    async with scripted() as server:
        server.over_udp = script
        answer = await make_client().ask(make_query(), group_of(server.server, deadline=0.3))
        assert show(make_query(), answer) == [f"answer {ADDRESS}"]


@on_reactor
async def test_cancelling_closes_everything() -> None:
    """Whoever stops waiting leaves no socket, no reader and no delayed call; over UDP and over TCP."""
    async with scripted() as silent_server, scripted(truncated) as half_silent:
        for server in (silent_server, half_silent):
            asking = make_client().ask(make_query(), group_of(server.server))
            for _ in range(20):
                await turn()
            asking.cancel()
            with pytest.raises(CancelledError):
                await asking


@on_reactor
async def test_closed_port_is_a_network_error() -> None:
    """Where nobody listens the question fails at once, as EDE 23."""
    async with scripted() as server:
        gone = server.server
    with pytest.raises(UpstreamError) as caught:
        await make_client().ask(make_query(), group_of(gone))
    assert (caught.value.ede, "refused" in str(caught.value)) == (23, True)


@on_reactor
async def test_unreachable_network_is_a_network_error() -> None:
    """Where the kernel has no way to the server the question fails at once, as EDE 23."""
    with pytest.raises(UpstreamError) as caught:
        await make_client().ask(make_query(), group_of(UpstreamServer("255.255.255.255", 53)))
    assert caught.value.ede == 23


@on_reactor
async def test_next_server_is_asked_when_one_fails() -> None:
    """SERVFAIL, REFUSED and NOTIMP send the question to the next server; the failed one is asked last from then on."""
    for rcode in (2, 4, 5):

        def failing(query: bytes, rcode: int = rcode) -> Iterable[bytes]:
            return [write_reply(query, rcode=rcode)]

        async with (
            scripted(failing) as bad,
            scripted(honest) as good,
        ):
            notes = Notes()
            client, group = make_client(notes), group_of(bad.server, good.server)
            for _ in range(2):
                assert show(make_query(), await client.ask(make_query(), group)) == [f"answer {ADDRESS}"]
            assert (len(bad.asked), len(good.asked), notes.kinds) == (1, 2, ["upstream-failure"])


@on_reactor
async def test_edns_is_left_out_for_those_who_cannot_read_it() -> None:
    """FORMERR, with the question or without it, and BADVERS make the same server be asked once more, without OPT."""
    for bare in (True, False):

        def script(query: bytes, bare: bool = bare) -> Iterable[bytes]:
            if query[11]:
                yield (
                    query[:2] + b"\x80\1" + bytes(8)
                    if bare
                    else write_reply(query[:11] + b"\0" + query[12:-11], rcode=1)
                )
            else:
                yield write_reply(query, [ADDRESS])

        async with scripted(script) as server:
            answer = await make_client().ask(make_query(dnssec_ok=True), group_of(server.server))
            assert show(make_query(), answer) == [f"answer {ADDRESS}"]
            assert [query[11] for query in server.asked] == [1, 0]


@on_reactor
async def test_subnet_is_told_cut_and_its_scope_believed() -> None:
    """A group with ``ecs`` is told at most 24 bits, and the scope of its reply is the answer's."""

    def script(query: bytes) -> Iterable[bytes]:
        reply = write_reply(query, [ADDRESS])
        yield reply[:11] + b"\1" + reply[12:-11] + bytes.fromhex("00002904d00000000000 0b 0008 0007 0001 18 14 c00002")

    async with scripted(script) as server:
        query = make_query(subnet=Subnet(b"\xc0\0\2\x21", 32))
        answer = await make_client().ask(query, group_of(server.server, ecs=True))
        assert server.asked[0].endswith(bytes.fromhex("0008 0007 0001 18 00 c00002"))
        assert (answer.ecs_scope, answer.shareable) == (20, False)
        answer = await make_client().ask(query, group_of(server.server))
        assert server.asked[1].endswith(bytes.fromhex("00002904d0000000000000"))
        assert (answer.ecs_scope, answer.shareable) == (None, True)


@on_reactor
async def test_reply_for_another_subnet_is_dropped() -> None:
    """A reply whose client subnet is not the one that was sent is useless (RFC 7871 section 7.3)."""

    def script(query: bytes) -> Iterable[bytes]:
        reply = write_reply(query, [ADDRESS])
        yield reply[:11] + b"\1" + reply[12:-11] + bytes.fromhex("00002904d00000000000 0b 0008 0007 0001 18 18 c00003")

    async with scripted(script) as server:
        query = make_query(subnet=Subnet(b"\xc0\0\2\x21", 32))
        with pytest.raises(UpstreamError):
            await make_client().ask(query, group_of(server.server, ecs=True))


@on_reactor
async def test_subnet_is_left_out_for_those_who_refuse_it() -> None:
    """REFUSED to a query with a client subnet brings the same question without it, and an answer for everyone."""

    def script(query: bytes) -> Iterable[bytes]:
        yield write_reply(query, rcode=5) if b"\0\x08\0\7" in query else write_reply(query, [ADDRESS])

    async with scripted(script) as server:
        query = make_query(subnet=Subnet(b"\xc0\0\2\0", 24))
        answer = await make_client().ask(query, group_of(server.server, ecs=True))
        assert (answer.ecs_scope, len(server.asked)) == (0, 2)


@on_reactor
async def test_tags_are_told_where_the_group_says_so() -> None:
    """Tags go out as option 65001 to a group with ``tags``, and then the answer is for that client alone."""
    async with scripted(honest) as server:
        query = make_query(tags=(("client", "qa"), ("ring", "2")))
        answer = await make_client().ask(query, group_of(server.server, tags=True))
        assert server.asked[0].endswith(b"client=qa,ring=2")
        assert not answer.shareable
        assert (await make_client().ask(query, group_of(server.server))).shareable
        assert b"ring" not in server.asked[1]
