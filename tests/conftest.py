"""Fixtures that any test may use: real peers, free ports, servers that surely end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import pytest
from hypothesis import settings

from tests import kinds
from tools import consul, peers
from tools.consul import ConsulServer
from tools.ports import free_ports
from tools.process import Process, start
from tools.programs import TWISTD

# HYPOTHESIS_PROFILE chooses one of these; without it CI=true means ci, and anything else dev. There is no deadline: how
# long an example takes says what else the machine is doing.
settings.register_profile("dev", deadline=None, max_examples=25)
settings.register_profile("ci", deadline=None, max_examples=100, print_blob=True)
settings.register_profile("nightly", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "dev"))


def examples(factor: float, **more: Any) -> settings:
    """Settings for a test that needs *factor* times as many examples as the profile has; *more* as settings() takes."""
    return settings(max_examples=max(1, round(settings().max_examples * factor)), **more)


kinds.install()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark and order the tests before ``-m`` selects among them."""
    kinds.classify(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Watch the unit tests."""
    with kinds.watched(item):
        return (yield)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker a core and one that uses what the others wait, at most eight; none for single tests."""
    if config.args and all("::" in argument for argument in config.args):
        return 0
    return min(len(os.sched_getaffinity(0)) + 1, 8)


@pytest.fixture(scope="session")
def integration() -> None:
    """For fixtures that start programs by themselves: what uses them is an integration test."""


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
def start_agent(
    request: pytest.FixtureRequest, require_peer: Callable[[str], str], tmp_path: Path
) -> Iterator[Callable[..., ConsulServer]]:
    """A function: more keys of its configuration -> a Consul agent, which ends with the test.

    A restart loses its data, unless the test has the marker ``agent_keeps_data``.
    """
    program = require_peer("consul")
    keeps_data = request.node.get_closest_marker("agent_keeps_data") is not None
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(consul.agent(program, tmp_path, keeps_data=keeps_data, **more))


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
