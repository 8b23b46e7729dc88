from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from graydns.listen import udp as udp_module
from graydns.listen.connections import ListenerLimits
from graydns.listen.listener import Listener
from graydns.listen.listeners import Listeners
from graydns.model.errors import ConfigError
from graydns.model.transport import TCP, TLS, UDP, Transport
from tests.coroutines import on_reactor
from tests.listen.running import reactor, running, turn
from tests.listen.tiny import TinyFront, framed, question, reply_to


def make(*listeners: Listener) -> Listeners:
    return Listeners(listeners, TinyFront(), ListenerLimits(), reactor)


def taken(transport: int) -> socket.socket:
    """A socket that occupies a port of 127.0.0.1."""
    occupied = socket.socket(socket.AF_INET, transport)
    occupied.bind(("127.0.0.1", 0))
    if transport == socket.SOCK_STREAM:
        occupied.listen()
    return occupied


@pytest.mark.parametrize(
    ("transport", "kind", "tenant", "path"),
    [
        (TCP, socket.SOCK_STREAM, None, ("listen", 1)),
        (UDP, socket.SOCK_DGRAM, "t-demo", ("tenants", "t-demo", "listen", 0)),
    ],
)
@on_reactor
async def test_listeners_open_all_or_none(
    transport: Transport, kind: int, tenant: str | None, path: tuple[str, ...]
) -> None:
    """A port that is taken is named, and the listeners that were open already are closed again."""
    with taken(kind) as occupied, taken(socket.SOCK_STREAM) as before:
        port, free = occupied.getsockname()[1], before.getsockname()[1]
        before.close()
        listeners = make(Listener(TCP, "127.0.0.1", free), Listener(transport, "127.0.0.1", port, tenant))
        with pytest.raises(ConfigError) as caught:
            listeners.startService()
        (fault,) = caught.value.issues
        assert fault.path == path
        assert fault.found == f"{transport}://127.0.0.1:{port} (Address already in use)"
        assert listeners.listening == ()
        await turn(2)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", free))


@pytest.mark.integration
def test_an_address_of_another_machine_is_a_fault() -> None:
    """What cannot be bound is reported with the system's reason."""
    with pytest.raises(ConfigError, match="Cannot assign requested address"):
        make(Listener(TCP, "192.0.2.254", 0)).startService()


def test_a_tls_listener_needs_a_certificate() -> None:
    """Without a context no listeners are made at all."""
    with pytest.raises(ConfigError, match="tls"):
        make(Listener(TLS, "127.0.0.1", 0))


@on_reactor
async def test_the_ports_that_were_chosen_are_told() -> None:
    """Port 0 is reported as what the system made of it, in the order of the listeners."""
    async with running(UDP, TCP, Listener(TCP, "::1", 0)) as running_listeners:
        told = running_listeners.service.listening
        assert [(listener.transport, listener.host) for listener in told] == [
            (UDP, "127.0.0.1"),
            (TCP, "127.0.0.1"),
            (TCP, "::1"),
        ]
        assert all(listener.port for listener in told)
        for index in (1, 2):
            client = await running_listeners.tcp(index)
            client.send(question("hot"))
            assert await client.received(1) == [reply_to(question("hot"))]
            await client.close()


@on_reactor
async def test_starting_with_privileges_first_opens_once() -> None:
    """Under twistd both starts come; the second finds the listeners open."""
    listeners = make(Listener(UDP, "127.0.0.1", 0))
    listeners.privilegedStartService()
    told = listeners.listening
    listeners.startService()
    assert listeners.listening == told
    await listeners.stopService()
    assert listeners.listening == ()


@on_reactor
async def test_stopping_closes_everything() -> None:
    """Connections are closed, pending questions cancelled, and the ports are free again."""
    async with running(TCP, UDP) as running_listeners:
        client = await running_listeners.tcp()
        client.send(question("hot"), question("miss"))
        await client.received(1)
        ports = [listener.port for listener in running_listeners.service.listening]
        await running_listeners.service.stopService()
        await client.closed()
        assert running_listeners.front.cancelled == [b"miss"]
        for port, kind in zip(ports, (socket.SOCK_STREAM, socket.SOCK_DGRAM), strict=True):
            with socket.socket(socket.AF_INET, kind) as again:
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                again.bind(("127.0.0.1", port))


@on_reactor
async def test_listeners_open_again_after_a_stop() -> None:
    """A stopped service can be started anew."""
    async with running(TCP) as running_listeners:
        await running_listeners.service.stopService()
        running_listeners.service.startService()
        client = await running_listeners.tcp()
        client.send(question("hot"))
        await client.received(1)
        await client.close()


@on_reactor
async def test_a_udp_wildcard_has_a_socket_for_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address answers for itself on one port; an address that cannot be used yet does not keep the others shut."""
    monkeypatch.setattr(udp_module, "expand_wildcard", lambda host: ("192.0.2.254", "127.0.0.1", "127.0.0.2"))
    async with running(Listener(UDP, "0.0.0.0", 0)) as running_listeners:
        told = running_listeners.service.listening
        assert [listener.host for listener in told] == ["127.0.0.1", "127.0.0.2"]
        assert len({listener.port for listener in told}) == 1
        for index in (0, 1):
            client = await running_listeners.udp(index)
            client.send(question("hot"))
            assert await client.received(1) == [reply_to(question("hot"))]
            await client.close()


@pytest.mark.integration
def test_ipv6_listeners_are_for_ipv6_only() -> None:
    """[::] leaves the port of 0.0.0.0 to a listener of its own."""

    class Adopting(Clock):
        def adoptStreamPort(self, descriptor: int, family: int, factory: object) -> Any:
            with socket.socket(fileno=descriptor) as adopted:
                seen.append(adopted.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
                adopted.detach()
            return SimpleNamespace(getHost=lambda: SimpleNamespace(port=1))

    seen: list[int] = []
    timeless: Any = Adopting()
    Listeners([Listener(TCP, "::1", 0)], TinyFront(), ListenerLimits(), timeless).startService()
    assert seen == [1]


#: From where ``tests`` can be imported.
ROOT = Path(__file__).parents[2]

SERVER = """
import resource, sys
from twisted.internet import reactor
from graydns.listen.connections import ListenerLimits
from graydns.listen.listener import Listener
from graydns.listen.listeners import Listeners
from graydns.model.transport import TCP
from tests.listen.tiny import TinyFront
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
service = Listeners([Listener(TCP, "127.0.0.1", 0)], TinyFront(), ListenerLimits(), reactor)
service.startService()
print(service.listening[0].port, flush=True)
reactor.run()
"""


@pytest.mark.integration
def test_running_out_of_files_costs_only_those_who_come_then() -> None:
    """Without a file for another connection the server refuses it, and goes on answering the others."""
    with ExitStack() as stack:
        server = stack.enter_context(
            subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        )
        stack.callback(server.terminate)
        assert server.stdout is not None
        port = int(server.stdout.readline())
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(60)]
        refused = 0
        for client in reversed(clients):
            try:
                client.sendall(framed(question("hot")))
                refused += client.recv(1000) == b""
            except ConnectionError:
                refused += 1
        assert 20 <= refused < 60
        clients[0].sendall(framed(question("hot", 7)))
        assert clients[0].recv(1000) == framed(reply_to(question("hot", 7)))
