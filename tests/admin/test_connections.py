"""The limits of connections."""

from __future__ import annotations

import os
import resource
import socket
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, gatherResults
from twisted.spread.banana import encode as untyped_encode

from graydns.admin.admin_service import MAX_ACCEPTS_PER_TURN
from graydns.admin.authentication import UnixAuthenticator, own_uids
from graydns.admin.connections import AdminLimits
from graydns.config.address import ListenEndpoint, UnixSocket
from tests.admin.memory import MemoryControl
from tests.admin.running import Raw, reactor, running, unix
from tests.admin.test_tls import tls_address
from tests.coroutines import on_reactor
from tests.listen.running import turn, until

encode: Callable[[object], bytes] = untyped_encode


@on_reactor
async def test_a_client_on_the_unix_socket_is_admin_named_by_its_uid(tmp_path: Path) -> None:
    """The kernel tells the user id; a name is not needed and not used."""
    async with running(unix(tmp_path), tmp_path) as admin:
        who = await admin.call("whoami")
        assert who == {"actor": f"uid:{os.geteuid()}", "role": "admin", "tenant": None, "origin": "unix"}


@on_reactor
async def test_other_users_are_disconnected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer whose user id is not allowed is disconnected before it can send anything."""
    monkeypatch.setattr("graydns.admin.admin_service.own_uids", lambda: frozenset((os.geteuid() + 1,)))
    async with running(unix(tmp_path), tmp_path) as admin:
        raw = await admin.raw()
        await raw.ended
        assert raw.data == b""
        assert admin.connections == 0
        assert "only root and the user that graydns runs as" in await admin.refusal("whoami")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@on_reactor
async def test_another_user_is_disconnected_although_the_mode_allows_it() -> None:
    """With mode 0666 another user can connect, and is disconnected."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        async with running(unix(Path(folder)), Path(folder)) as admin:
            path = f"{folder}/admin.sock"
            os.chmod(path, 0o666)
            if not (child := os.fork()):
                visit_as_nobody(path)
            await until(lambda: os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert admin.connections == 0


def visit_as_nobody(path: str) -> None:
    """In a child: end with status 0 if a connection by another user is closed without a word."""
    try:
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.settimeout(10.0)
            visitor.connect(path)
            os._exit(len(visitor.recv(100)))
    finally:
        os._exit(99)


def test_root_and_the_user_of_the_server_are_allowed() -> None:
    """No other user is."""
    assert own_uids() == {0, os.geteuid()}
    assert UnixAuthenticator(own_uids()).allowed_uids == own_uids()


@on_reactor
async def test_a_thousand_connections_leave_fifty_open(tmp_path: Path) -> None:
    """New ones close those that never logged in; a client that is logged in is still served."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(1000, soft // 3)
    async with running(unix(tmp_path), tmp_path) as admin:
        client = admin.client()
        assert await client.call("whoami", {})
        crowd: list[Raw] = []
        for _ in range(count // 50):
            crowd += [await admin.raw() for _ in range(50)]
            await turn()
            assert admin.connections <= AdminLimits().connections
        assert await client.call("whoami", {})
        await until(lambda: sum(raw.ended.called for raw in crowd) >= count - AdminLimits().connections)
        assert await admin.call("whoami")
        for raw in crowd:
            raw.transport.abortConnection()
        await until(lambda: all(raw.ended.called for raw in crowd))
        client.close()
        await until(lambda: admin.connections == 0)


@pytest.mark.parametrize("kind", ["unix", "tls"])
@on_reactor
async def test_connections_are_accepted_a_few_per_turn(kind: str, tmp_path: Path) -> None:
    """However many wait, the reactor runs other calls between."""
    address, tls, _ = (unix(tmp_path), None, "") if kind == "unix" else tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        crowd = [dial(admin.service.bound_address) for _ in range(2 * MAX_ACCEPTS_PER_TURN)]
        taken = [0]
        while taken[-1] < len(crowd):
            await turn()
            taken.append(admin.connections)
        assert max(after - before for before, after in pairwise(taken)) <= MAX_ACCEPTS_PER_TURN
        for connected in crowd:
            connected.close()
        await until(lambda: admin.connections == 0)


def dial(address: UnixSocket | ListenEndpoint | None) -> socket.socket:
    """A connection to *address* that sends nothing."""
    if isinstance(address, ListenEndpoint):
        return socket.create_connection((address.host, address.port))
    assert address is not None
    connected = socket.socket(socket.AF_UNIX)
    connected.connect(str(address.path))
    return connected


@on_reactor
async def test_if_all_are_logged_in_the_one_idle_for_longest_is_closed(tmp_path: Path) -> None:
    """The time of its last request counts, and one that waits for a reply is not closed."""
    control = MemoryControl(busy=0.3)
    async with running(unix(tmp_path), tmp_path, control=control, limits=AdminLimits(connections=3)) as admin:
        links = [admin.client() for _ in range(3)]
        waiting = Deferred.fromCoroutine(links[0].call("reload", {}))
        for client in links[1:]:
            await client.call("whoami", {})
        await links[1].call("whoami", {})
        assert await admin.call("whoami")  # links[2] was silent longest
        assert links[2]._perspective.broker.disconnected
        assert await links[1].call("whoami", {})
        assert (await waiting)["ok"]
        for client in links:
            client.close()


@on_reactor
async def test_connections_without_login_or_requests_time_out(tmp_path: Path) -> None:
    """A call that is not answered yet keeps its connection open."""
    limits = AdminLimits(login_timeout=20.0, idle_timeout=600.0)
    async with running(unix(tmp_path), tmp_path, limits=limits) as admin:
        raw, client = await admin.raw(), admin.client()
        await client.call("whoami", {})
        admin.clock.advance(20.0)
        await raw.ended
        assert admin.connections == 1
        await client.call("whoami", {})
        admin.clock.advance(599.0)
        assert admin.connections == 1
        admin.clock.advance(1.0)
        await until(lambda: admin.connections == 0)
        assert await client.call("whoami", {})  # the client notices and comes again
        client.close()


@on_reactor
async def test_calls_at_once_on_a_connection_are_limited(tmp_path: Path) -> None:
    """The call over the limit is refused; the others are answered."""
    control = MemoryControl(busy=0.2)
    async with running(unix(tmp_path), tmp_path, control=control, limits=AdminLimits(calls=4)) as admin:
        avatar = await admin.avatar()
        calls = [avatar.callRemote("reload") for _ in range(6)]
        outcomes = await gatherResults(
            [call.addCallbacks(lambda _: "done", lambda f: f.getErrorMessage()) for call in calls]
        )
        assert sorted(outcomes) == ["done"] * 4 + ["too many calls at once"] * 2
        assert await avatar.callRemote("whoami")
        avatar.broker.transport.loseConnection()


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff" * 100,
        b"\x01" * 100,
        b"GET / HTTP/1.1\r\n\r\n" * 10,
        encode(b"pb") + encode([b"cachemessage", 1, 2, b"x", 1, [], []]),
        encode(b"pb") + encode([b"message"]),
        encode(b"pb") + encode([]),
        encode(b"pb") + encode(b"text"),
        encode(b"pb") + encode([b"decref", 99]),
        encode(b"pb") + encode([b"answer", 1, 2]),
        encode(b"pb") + b"\x01\x80" * 5000 + b"\x81",
        encode(b"pb") + b"\x10\x80" * 20_000,
        encode(b"pb") + b"\x00\x00\x01\x82" + b"x" * 16_384,
        encode(b"none") * 3,
    ],
)
@on_reactor
async def test_invalid_requests_close_the_connection(sent: bytes, tmp_path: Path) -> None:
    """So do too many bytes before the login; other connections are not affected."""
    async with running(unix(tmp_path), tmp_path) as admin:
        raw = await admin.raw()
        raw.transport.write(sent)
        await raw.ended
        assert await admin.call("whoami")


@on_reactor
async def test_a_request_over_32_kib_closes_the_connection(tmp_path: Path) -> None:
    """Also if it arrives in small parts from a client that is logged in."""
    async with running(unix(tmp_path), tmp_path) as admin:
        avatar = await admin.avatar()
        with pytest.raises(Exception, match="Connection"):
            await avatar.callRemote("why", client=["y" * 1000 + str(at) for at in range(40)])
        assert await admin.call("whoami")


@on_reactor
async def test_requests_are_not_read_while_replies_are_not(tmp_path: Path) -> None:
    """If a client does not read its replies, the server stops reading its requests."""
    control = MemoryControl(rules=3000)
    async with running(unix(tmp_path), tmp_path, control=control) as admin:
        avatar = await admin.avatar()
        transport: Any = avatar.broker.transport
        transport.pauseProducing()
        calls = [avatar.callRemote("explain", name="a.test", rdtype="A") for _ in range(200)]
        assert admin.service.connections is not None
        connection: Any
        (connection,) = admin.service.connections._connections
        server_transport = connection.transport
        for _ in range(20):
            await turn()
        queued = sum(map(len, server_transport._tempDataBuffer)) + len(server_transport.dataBuffer)
        assert queued < 4 << 20
        transport.resumeProducing()
        outcomes = await gatherResults([call.addCallbacks(lambda _: 1, lambda _: 0) for call in calls])
        assert 0 < sum(outcomes) < 200
        transport.loseConnection()


@on_reactor
async def test_stopping_the_service_closes_all_connections(tmp_path: Path) -> None:
    """No timer is left."""
    async with running(unix(tmp_path), tmp_path) as admin:
        client, raw = admin.client(), await admin.raw()
        await client.call("whoami", {})
    await raw.ended
    await until(lambda: admin.connections == 0)
    assert admin.clock.getDelayedCalls() == []
    assert not (tmp_path / "admin.sock").exists()
    assert reactor.running
