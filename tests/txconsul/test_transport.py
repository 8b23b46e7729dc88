"""Connections: how many, for how long, and that those given up are closed."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, gatherResults

from tests.coroutines import on_reactor
from tests.txconsul.running import consul_at, http, reactor, responding, turn, until
from tools.ports import free_ports
from txconsul import ConsulClient
from txconsul.client import ParameterValue
from txconsul.reply import (
    ConsulClosedError,
    ConsulNotFoundError,
    ConsulTimeoutError,
    ConsulUnreachableError,
    MalformedReplyError,
    TokenUnreadableError,
    TooManyHeldQueriesError,
)


@pytest.mark.parametrize("parts", [[], [http(body=b"[1,2,3]")[:-3]]], ids=["waiting", "in the body"])
@on_reactor
async def test_a_request_given_up_closes_its_connection(parts: list[bytes]) -> None:
    """Whether nothing came yet, or half of it; and it fires in the same turn."""
    async with responding(lambda _: parts) as (server, address), consul_at(address) as consul:
        result = consul.request("GET", "status/leader")
        await until(lambda: bool(server.requests))
        failures: list[object] = []
        result.addErrback(lambda failure: failures.append(failure.value))
        result.cancel()
        assert isinstance(failures[0], CancelledError)
        await until(lambda: not server.open)


@on_reactor
async def test_a_request_given_up_at_once_is_never_sent() -> None:
    """In the turn that made it."""
    async with responding(lambda _: [http()]) as (server, address), consul_at(address) as consul:
        result = consul.request("GET", "status/leader")
        result.cancel()
        with pytest.raises(CancelledError):
            await result
        assert (await consul.request("GET", "kv/")).json == []
        assert len(server.requests) == 1


@on_reactor
async def test_silence_is_given_up_in_time() -> None:
    """A frozen agent takes connections and says nothing; the connection is closed."""
    async with responding(lambda _: []) as (server, address), consul_at(address, timeout=0.05) as consul:
        with pytest.raises(ConsulTimeoutError, match="no answer within"):
            await consul.request("GET", "status/leader")
        await until(lambda: not server.open)


@on_reactor
async def test_time_in_line_counts() -> None:
    """Whoever waits behind silence is told of it too."""
    async with responding(lambda _: []) as (_server, address), consul_at(address, timeout=0.05, pool=1) as consul:
        first, second = (consul.request("GET", "status/leader") for _ in range(2))
        for each in (first, second):
            with pytest.raises(ConsulTimeoutError):
                await each


@on_reactor
async def test_half_an_answer_is_none() -> None:
    """A connection lost within the body is an error, not a shorter list."""
    async with responding(lambda _: [http(body=b"[1,2,3]")[:-3]]) as (server, address), consul_at(address) as consul:
        result = consul.request("GET", "catalog/services")
        await until(lambda: bool(server.requests))
        server.drop()
        with pytest.raises(ConsulUnreachableError):
            await result


@on_reactor
async def test_a_body_without_a_length_is_none() -> None:
    """Nobody could tell whether it was whole."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[]"
    async with responding(lambda _: [answer]) as (server, address), consul_at(address) as consul:
        result = consul.request("GET", "catalog/services")
        await until(lambda: bool(server.requests))
        server.drop()
        with pytest.raises(ConsulUnreachableError):
            await result


@on_reactor
async def test_what_is_not_http_is_unreachable() -> None:
    """As nobody is there who could be asked."""
    async with responding(lambda _: [b"SSH-2.0-x\r\n\r\n"]) as (_, address), consul_at(address) as consul:
        with pytest.raises(ConsulUnreachableError):
            await consul.request("GET", "status/leader")


@on_reactor
async def test_a_closed_port_is_unreachable() -> None:
    """The text says why."""
    async with consul_at(f"http://127.0.0.1:{free_ports(1)[0]}") as consul:
        with pytest.raises(ConsulUnreachableError, match="refused"):
            await consul.request("GET", "status/leader")


@on_reactor
async def test_a_lost_request_is_not_repeated_unseen() -> None:
    """A held query repeated with its old index would sleep on an agent that was restarted."""
    async with (
        responding(lambda data: [http()] * (b"first" in data)) as (server, address),
        consul_at(address) as consul,
    ):
        await consul.request("GET", "kv/first", {"index": 6}, wait=5.0)
        result = consul.request("GET", "kv/second", {"index": 7}, wait=5.0)
        await until(lambda: len(server.requests) == 2)
        assert len(server.open) == 1
        server.drop()
        with pytest.raises(ConsulUnreachableError):
            await result
        assert len(server.requests) == 2


@on_reactor
async def test_a_question_over_a_connection_that_had_died_is_repeated() -> None:
    """It changes nothing, and nobody has to know."""

    def answer(_: bytes) -> list[bytes]:
        if len(server.requests) == 2:
            server.drop()
        return [http()]

    async with responding(answer) as (server, address), consul_at(address) as consul:
        await consul.request("GET", "kv/")
        assert (await consul.request("GET", "kv/")).json == []
        assert len(server.requests) == 3


@on_reactor
async def test_no_more_connections_than_the_pool_has() -> None:
    """Further requests wait in line; connections are kept and used again."""
    most = 0

    def answer(_: bytes) -> list[bytes]:
        nonlocal most
        most = max(most, len(server.open))
        return [http()]

    async with responding(answer) as (server, address), consul_at(address, pool=3) as consul:
        await gatherResults([consul.request("GET", "kv/") for _ in range(30)])
        assert most == 3
        assert len(server.requests) == 30
        assert len(server.open) == 3


@on_reactor
async def test_held_queries_are_bounded_and_never_block_the_others() -> None:
    """One too many is told so; plain requests go on; one that was answered makes room."""
    async with (
        responding(lambda data: [] if b"index=1" in data else [http()]) as (server, address),
        consul_at(address, pool=1, held=2) as consul,
    ):
        held = [consul.request("GET", "kv/", {"index": 1}, wait=30.0) for _ in range(2)]
        with pytest.raises(TooManyHeldQueriesError, match="2 queries"):
            await consul.request("GET", "kv/", {"index": 1}, wait=30.0)
        assert (await consul.request("GET", "kv/")).json == []
        await until(lambda: len(server.requests) == 3)
        server.drop()
        for each in held:
            with pytest.raises(ConsulUnreachableError):
                await each
        assert (await consul.request("GET", "kv/", {"index": 2}, wait=30.0)).json == []


@on_reactor
async def test_a_held_query_given_up_makes_room_when_consul_lets_go_of_it() -> None:
    """It holds on, and counts the connection, until the wait is over."""
    async with responding(lambda _: []) as (server, address), consul_at(address, held=1) as consul:
        first = consul.request("GET", "kv/", {"index": 1}, wait=0.2)
        await until(lambda: bool(server.requests))
        first.addErrback(lambda _: None).cancel()
        second = consul.request("GET", "kv/", {"index": 1}, wait=0.2)
        with pytest.raises(TooManyHeldQueriesError):
            await second
        crowded = True
        while crowded:
            second = consul.request("GET", "kv/", {"index": 1}, wait=0.2)
            crowded = second.called
            second.addErrback(lambda _: None)
            await turn()


@on_reactor
async def test_closing_ends_what_is_under_way() -> None:
    """Whoever waits is told, nobody is answered any more, and no connection is left."""
    async with responding(lambda data: [] if b"held" in data else [http()]) as (server, address):
        consul = ConsulClient(reactor, address)
        await consul.request("GET", "kv/")
        result = consul.request("GET", "kv/held")
        await until(lambda: len(server.requests) == 2)
        closed = consul.close()
        with pytest.raises(ConsulClosedError):
            await result
        await closed
        with pytest.raises(ConsulClosedError):
            await consul.request("GET", "kv/")
        await until(lambda: not server.open)


@on_reactor
async def test_what_is_asked_is_on_the_wire() -> None:
    """Path and parameters quoted, flags, several of one name, the wait with its unit, token and data centre."""
    params: dict[str, ParameterValue] = {"recurse": True, "keys": False, "index": 5, "tag": ["a", "b&c"]}
    key = "kv/gr\N{LATIN SMALL LETTER A WITH DIAERESIS}y key?"
    async with (
        responding(lambda _: [http()]) as (server, address),
        consul_at(address, token="t-1", datacenter="dc7") as consul,
    ):
        await consul.request("GET", key, params, wait=1.5)
        await consul.request("PUT", "txn", {"dc": "dc8"}, [{"a": 1}])
    first, second = server.requests
    assert first.startswith(
        b"GET /v1/kv/gr%C3%A4y%20key%3F?recurse=true&index=5&tag=a&tag=b%26c&wait=1500ms&dc=dc7 HTTP"
    )
    assert b"X-Consul-Token: t-1\r\n" in first
    assert second.startswith(b"PUT /v1/txn?dc=dc8 HTTP")
    assert second.endswith(b'\r\n\r\n[{"a":1}]')


@on_reactor
async def test_headers_are_read_whatever_their_case() -> None:
    """Consul's own changed between versions."""
    answer = http(X_Consul_Results_Filtered_By_ACLs="true", x_consul_knownleader="true", X_CONSUL_INDEX=9)
    async with responding(lambda _: [answer]) as (_, address), consul_at(address) as consul:
        reply = await consul.request("GET", "catalog/services")
        assert (reply.filtered, reply.known_leader, reply.index) == (True, True, 9)


@on_reactor
async def test_missing_keys_are_an_answer_only_in_lists() -> None:
    """Nothing below a prefix is a list without keys; a key that was asked for is missing."""
    async with responding(lambda _: [http(404, b"", X_Consul_Index=49)]) as (_, address), consul_at(address) as consul:
        reply = await consul.request("GET", "kv/gray/", {"recurse": True})
        assert (reply.status, reply.index, reply.json) == (404, 49, None)
        with pytest.raises(ConsulNotFoundError) as caught:
            await consul.request("GET", "kv/gray/active")
        assert caught.value.reply.index == 49


@on_reactor
async def test_an_answer_that_is_not_json_is_garbled() -> None:
    """By its own word it was."""
    async with responding(lambda _: [http(body=b"[1,")]) as (_, address), consul_at(address) as consul:
        with pytest.raises(MalformedReplyError):
            await consul.request("GET", "catalog/services")


@on_reactor
async def test_without_a_readable_token_nothing_is_asked(tmp_path: object) -> None:
    """The request fails, and the agent never hears of it."""
    async with responding(lambda _: [http()]) as (server, address):
        async with consul_at(address, token_file=f"{tmp_path}/missing") as consul:
            with pytest.raises(TokenUnreadableError):
                await consul.request("GET", "catalog/services")
        assert not server.requests


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:8500", "unix:///run/consul", "http://", "http://h:1/v1", "http://u@h", "http://h:0", "http://h#x"],
)
def test_addresses_that_are_none_are_refused(address: str) -> None:
    """At once, and not with the first request."""
    with pytest.raises(ValueError, match=r"address|more than"):
        ConsulClient(object(), address)
