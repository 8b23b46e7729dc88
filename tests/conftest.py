"""Fixtures that any test may use: real peers, free ports, servers that surely end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest
from hypothesis import settings

from tools import consul, peers
from tools.consul import ConsulServer
from tools.ports import free_ports
from tools.process import Process, start
from tools.programs import TWISTD

# How long an example takes says what else the machine is doing.
settings.register_profile("graydns", deadline=None)
settings.load_profile("graydns")


@pytest.fixture(scope="session")
def require_peer() -> Callable[[str], str]:
    """A function: program name -> its path; a missing one skips the test, with CI=true it fails it."""

    def require(program: str) -> str:
        try:
            return peers.find(program)
        except peers.MissingPeer as missing:
            if peers.required():
                pytest.fail(str(missing))
            pytest.skip(str(missing))

    return require


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that gives a port of 127.0.0.1, free for UDP and TCP; each call another one."""
    return lambda: free_ports(1)[0]


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[Callable[[Sequence[str]], Process]]:
    """A function that starts a command in the test's folder; whatever it started ends with the test."""
    started: list[Process] = []

    def begin(command: Sequence[str]) -> Process:
        started.append(start(command, tmp_path))
        return started[-1]

    yield begin
    for process in reversed(started):
        process.stop()


@pytest.fixture
def start_graydns(start_process: Callable[[Sequence[str]], Process]) -> Callable[[Path, int], Process]:
    """A function: configuration file, UDP port in it -> a graydns that answers there."""

    def begin(configuration: Path, port: int) -> Process:
        process = start_process([*TWISTD, "graydns", "--config", str(configuration)])
        process.wait_until(lambda: answers(port))
        return process

    return begin


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a DNS server replies, with whatever rcode, over UDP."""
    try:
        dns.query.udp(dns.message.make_query(".", "NS"), host, timeout=0.2, port=port)
    except (dns.exception.DNSException, OSError):
        return False
    return True


@pytest.fixture
def start_agent(require_peer: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[..., ConsulServer]]:
    """A function: more keys of its configuration -> a Consul agent, which ends with the test."""
    program = require_peer("consul")
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(consul.agent(program, tmp_path, **more))


@pytest.fixture
def agent(start_agent: Callable[..., ConsulServer]) -> ConsulServer:
    """A Consul agent for one test."""
    return start_agent()


@pytest.fixture
def guarded_agent(start_agent: Callable[..., ConsulServer]) -> ConsulServer:
    """A Consul agent for one test that denies everything without a token."""
    return start_agent(**consul.ACL)


@pytest.fixture
def three_servers(require_peer: Callable[[str], str], tmp_path: Path) -> Iterator[Sequence[ConsulServer]]:
    """A Consul cluster for one test."""
    with consul.cluster(require_peer("consul"), tmp_path) as servers:
        yield servers


@pytest.fixture(autouse=True)
def wakeup_descriptor() -> Iterator[None]:
    """Give Twisted's reactor back what tells it of ended children, which an asyncio loop (the shell's) takes away."""
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before, warn_on_full_buffer=False)
    handler = signal.getsignal(signal.SIGCHLD)
    yield
    if before != -1:
        signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, handler)
