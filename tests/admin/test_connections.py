"""What connections may cost."""

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

from graydns.admin.authentication import UnixAuthenticator, own_uids
from graydns.admin.connections import AdminLimits
from graydns.admin.ports import MAX_ACCEPTS_PER_TURN
from graydns.config.address import ListenEndpoint, UnixSocket
from tests.admin.memory import MemoryControl
from tests.admin.running import Raw, reactor, running, unix
from tests.admin.test_tls import tls_place
from tests.coroutines import on_reactor
from tests.listen.running import turn, until

encode: Callable[[object], bytes] = untyped_encode


@on_reactor
async def test_whoever_comes_over_the_socket_is_admin_by_uid(tmp_path: Path) -> None:
    """The kernel says who the peer is; no name is needed and none counts."""
    async with running(unix(tmp_path), tmp_path) as admin:
        who = await admin.call("whoami")
        assert who == {"actor": f"uid:{os.geteuid()}", "role": "admin", "tenant": None, "origin": "unix"}


@on_reactor
async def test_other_uids_are_not_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer whose uid is not one of those allowed is cut off before it can say anything."""
    monkeypatch.setattr("graydns.admin.admin_service.own_uids", lambda: frozenset((os.geteuid() + 1,)))
    async with running(unix(tmp_path), tmp_path) as admin:
        raw = await admin.raw()
        await raw.ended
        assert raw.data == b""
        assert admin.connections == 0
        assert "only root and the user that graydns runs as" in await admin.refusal("whoami")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@on_reactor
async def test_another_user_is_not_let_in_even_if_the_mode_says_so() -> None:
    """Somebody turned the socket's mode to 0666: another user can connect, and is cut off."""
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


def test_root_and_the_server_itself_may_come() -> None:
    """Nobody else."""
    assert own_uids() == {0, os.geteuid()}
    assert UnixAuthenticator(own_uids()).allowed_uids == own_uids()


@on_reactor
async def test_a_thousand_connections_are_fifty(tmp_path: Path) -> None:
    """Those over the limit push out those that never logged in; who is logged in goes on, and so does the server."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(1000, soft // 3)
    async with running(unix(tmp_path), tmp_path) as admin:
        link = admin.link()
        assert await link.call("whoami", {})
        crowd: list[Raw] = []
        for _ in range(count // 50):
            crowd += [await admin.raw() for _ in range(50)]
            await turn()
            assert admin.connections <= AdminLimits().connections
        assert await link.call("whoami", {})
        await until(lambda: sum(raw.ended.called for raw in crowd) >= count - AdminLimits().connections)
        assert await admin.call("whoami")
        for raw in crowd:
            raw.transport.abortConnection()
        await until(lambda: all(raw.ended.called for raw in crowd))
        link.close()
        await until(lambda: admin.connections == 0)


@pytest.mark.parametrize("kind", ["unix", "tls"])
@on_reactor
async def test_connections_are_taken_a_few_at_a_time(kind: str, tmp_path: Path) -> None:
    """However many wait, the reactor gets to do something else between a few of them and the next."""
    place, tls, _ = (unix(tmp_path), None, "") if kind == "unix" else tls_place(tmp_path)
    async with running(place, tmp_path, tls=tls) as admin:
        crowd = [dial(admin.service.bound_address) for _ in range(2 * MAX_ACCEPTS_PER_TURN)]
        taken = [0]
        while taken[-1] < len(crowd):
            await turn()
            taken.append(admin.connections)
        assert max(after - before for before, after in pairwise(taken)) <= MAX_ACCEPTS_PER_TURN
        for connected in crowd:
            connected.close()
        await until(lambda: admin.connections == 0)


def dial(place: UnixSocket | ListenEndpoint | None) -> socket.socket:
    """A connection to *place* that says nothing."""
    if isinstance(place, ListenEndpoint):
        return socket.create_connection((place.host, place.port))
    assert place is not None
    connected = socket.socket(socket.AF_UNIX)
    connected.connect(str(place.path))
    return connected


@on_reactor
async def test_when_all_are_logged_in_the_longest_silent_goes(tmp_path: Path) -> None:
    """Not the one that came first, if it has been heard of since; and not one that waits for an answer."""
    control = MemoryControl(busy=0.3)
    async with running(unix(tmp_path), tmp_path, control=control, limits=AdminLimits(connections=3)) as admin:
        links = [admin.link() for _ in range(3)]
        waiting = Deferred.fromCoroutine(links[0].call("reload", {}))
        for link in links[1:]:
            await link.call("whoami", {})
        await links[1].call("whoami", {})
        assert await admin.call("whoami")  # links[2] was silent longest
        assert links[2]._perspective.broker.disconnected
        assert await links[1].call("whoami", {})
        assert (await waiting)["ok"]
        for link in links:
            link.close()


@on_reactor
async def test_nobody_is_kept_who_does_not_log_in_or_says_nothing(tmp_path: Path) -> None:
    """There is a time to log in, and after that a time to be silent; a call under way is no silence."""
    limits = AdminLimits(login_timeout=20.0, idle_timeout=600.0)
    async with running(unix(tmp_path), tmp_path, limits=limits) as admin:
        raw, link = await admin.raw(), admin.link()
        await link.call("whoami", {})
        admin.clock.advance(20.0)
        await raw.ended
        assert admin.connections == 1
        await link.call("whoami", {})
        admin.clock.advance(599.0)
        assert admin.connections == 1
        admin.clock.advance(1.0)
        await until(lambda: admin.connections == 0)
        assert await link.call("whoami", {})  # the client notices and comes again
        link.close()


@on_reactor
async def test_calls_at_once_are_limited(tmp_path: Path) -> None:
    """One more than may run at once is refused; the others are served."""
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
async def test_what_is_no_request_ends_the_connection(sent: bytes, tmp_path: Path) -> None:
    """Octets that are no request, or too many for a stranger, end that connection and nothing else."""
    async with running(unix(tmp_path), tmp_path) as admin:
        raw = await admin.raw()
        raw.transport.write(sent)
        await raw.ended
        assert await admin.call("whoami")


@on_reactor
async def test_a_request_has_a_size(tmp_path: Path) -> None:
    """More than 32 KiB, though in small pieces, end the connection of a client that is logged in."""
    async with running(unix(tmp_path), tmp_path) as admin:
        avatar = await admin.avatar()
        with pytest.raises(Exception, match="Connection"):
            await avatar.callRemote("why", client=["y" * 1000 + str(at) for at in range(40)])
        assert await admin.call("whoami")


@on_reactor
async def test_a_client_that_does_not_read_is_not_written_to_for_ever(tmp_path: Path) -> None:
    """Requests of a client that takes no answers stay unread once the answers pile up."""
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
async def test_the_service_stops(tmp_path: Path) -> None:
    """Stopping ends all connections and leaves no timer."""
    async with running(unix(tmp_path), tmp_path) as admin:
        link, raw = admin.link(), await admin.raw()
        await link.call("whoami", {})
    await raw.ended
    await until(lambda: admin.connections == 0)
    assert admin.clock.getDelayedCalls() == []
    assert not (tmp_path / "admin.sock").exists()
    assert reactor.running
