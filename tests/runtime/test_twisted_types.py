"""What graydns needs of Twisted beyond its documentation; each test says what breaks when Twisted changes it."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import tcp
from twisted.internet.task import Clock, LoopingCall
from twisted.logger import LogPublisher
from twisted.python.failure import Failure
from twisted.spread import pb
from twisted.web import client as web_client
from twisted.web.client import HTTPConnectionPool
from twisted.web.http import HTTPChannel
from twisted.web.server import Site

from graydns.runtime import twisted_types
from graydns.runtime.twisted_types import TWISTED_CLASSES

SOURCE = ast.parse(Path(twisted_types.__file__).read_text(encoding="utf-8"))

DECLARED = {
    node.name: node for node in ast.walk(SOURCE) if isinstance(node, ast.ClassDef) and node.name in TWISTED_CLASSES
}

METHODS = [
    (name, method)
    for name, declared in DECLARED.items()
    for method in declared.body
    if isinstance(method, ast.FunctionDef)
]


def test_every_class_is_declared_and_twisted_s_own() -> None:
    """A class taken from the module is the one of the installed Twisted; any other name is none of the module's."""
    assert DECLARED.keys() == TWISTED_CLASSES.keys()
    for name, (module, original) in TWISTED_CLASSES.items():
        found = getattr(twisted_types, name)
        assert (found.__module__, found.__name__) == (module, original)
    with pytest.raises(AttributeError, match="Nothing"):
        _ = twisted_types.Nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "method"), METHODS, ids=[f"{name}.{method.name}" for name, method in METHODS])
def test_a_declared_method_can_be_called_as_declared(name: str, method: ast.FunctionDef) -> None:
    """Otherwise the type checker would accept calls that fail."""
    real = inspect.signature(getattr(getattr(twisted_types, name), method.name))
    positional = [argument.arg for argument in method.args.args]
    real.bind(*positional, **{argument.arg: None for argument in method.args.kwonlyargs})


def test_log_publisher_keeps_its_observers_in_observers() -> None:
    """``LogPublisher._observers``: without it the log level cannot be put in front of the observers that are there."""

    observer: Any = print
    publisher: Any = LogPublisher(observer)
    assert list(publisher._observers) == [observer]


def test_a_unix_port_tells_its_path() -> None:
    """``unix.Port._bindPath``: without it the admin interface cannot tell its own socket from another server's."""
    port = twisted_types.UnixPort(b"/nowhere/socket", None, 1, 0o600, Clock())
    assert port._bindPath == b"/nowhere/socket"


@pytest.mark.parametrize("method", ["_sendAnswer", "_sendError"])
def test_a_broker_answers_through_methods_that_can_be_overridden(method: str) -> None:
    """``Broker._sendAnswer``, ``_sendError``: the admin interface could not count the calls of a connection."""
    assert method in pb.Broker._recvMessage.__code__.co_names or method in inspect.getsource(pb.Broker.proto_message)


def test_a_connection_pool_takes_its_factory_from_an_attribute() -> None:
    """``HTTPConnectionPool._factory``: each connection to Consul would be logged if it could not be made quiet."""
    pool: Any = HTTPConnectionPool(Clock())
    assert pool._factory.noisy
    assert "_factory" in inspect.getsource(HTTPConnectionPool._newConnection)


def test_request_not_sent_is_found_beside_the_client() -> None:
    """``twisted.web.client.RequestNotSent``, which is not exported: a request that is safe to repeat looks like it."""
    assert issubclass(web_client.RequestNotSent, Exception)  # type: ignore[attr-defined]


def test_a_tcp_port_makes_connections_of_the_class_in_transport() -> None:
    """``tcp.Port.transport``: without it connections would wait for the reactor before each write."""
    assert tcp.Port.transport is tcp.Server
    assert "self.transport(" in inspect.getsource(tcp.Port.doRead)


def test_a_tcp_port_accepts_as_many_as_number_accepts_says() -> None:
    """``tcp.Port.numberAccepts``: a burst of admin connections would hold up queries."""
    assert "self.numberAccepts" in inspect.getsource(tcp.Port.doRead)


def test_a_web_channel_asks_whether_to_go_on_and_a_site_logs_by_a_method() -> None:
    """``HTTPChannel.checkPersistence``, ``Site.log``: health checks would keep connections, and fill the log."""
    assert callable(HTTPChannel.checkPersistence)
    assert callable(Site.log)


def test_a_looping_call_takes_a_clock() -> None:
    """``LoopingCall.clock``: periodic work could not be tested without waiting."""
    clock: Any = Clock()
    calls: list[float] = []
    loop = LoopingCall(lambda: calls.append(clock.seconds()))
    loop.clock = clock
    loop.start(2.0)
    clock.advance(2.0)
    loop.stop()
    assert calls == [0.0, 2.0]


def test_a_failure_can_be_thrown_into_a_coroutine() -> None:
    """``Failure.throwExceptionIntoGenerator``: pending queries could not be told of a failure."""

    async def waiting() -> None:
        await _Forever()

    running = waiting()
    running.send(None)
    with pytest.raises(ValueError, match="told"):
        Failure(ValueError("told")).throwExceptionIntoGenerator(running)


class _Forever:
    def __await__(self) -> Any:
        yield
