"""A transport of somebody else's: one value and what opens its listener; nothing else has to change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import pytest
from attrs import define
from twisted.internet.task import Clock

from graydns.config.address import ListenEndpoint, parse_listen_endpoint
from graydns.listen.connections import ListenerLimits
from graydns.listen.listener import BoundListener, ListenContext, Listener
from graydns.listen.listeners import Listeners
from graydns.model.errors import ConfigError
from graydns.model.policy import Rule, RuleConditions, RuleOutcome
from graydns.model.query import Query
from graydns.model.transport import TCP, TRANSPORTS, Transport
from graydns.observe.trace_recorder import client_to_plain
from graydns.server import DnsServer
from graydns.sources.snapshot_loader import load_snapshot
from tests.coroutines import finished
from tests.gray.making import client, outcome, route

MEMORY = Transport("memory", 5353, pads=True)

ROOT = Path(__file__).parents[2]

CONFIG = """\
admin: null
http: null
zones: {zones}
data: var/
upstreams: {{none: {{servers: ["udp://127.0.0.1:9"]}}}}
forward: {{}}
"""


@define
class MemoryListener:
    """Answers the queries that a test hands it."""

    listener: Listener
    context: ListenContext
    received: int = 0
    dropped: int = 0
    pending: int = 0
    is_open: bool = True

    def ask(self, address: str, wire: bytes) -> bytes | None:
        """The reply to *wire* from a client at *address*."""
        self.received += 1
        handler = self.context.handler
        peer = handler.peer(address, self.listener.transport, None, self.listener.tenant)
        reply = handler.answer(wire, peer)
        return finished(handler.resolve(reply, peer)) if isinstance(reply, Query) else reply

    def drain(self) -> bool:
        """Nothing is read that could be left off."""
        return True

    async def stop(self) -> None:
        """Answer nothing more."""
        self.is_open = False


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transport is in the list, as a line in ``model/transport.py`` would have it."""
    monkeypatch.setitem(TRANSPORTS, MEMORY.name, MEMORY)


def test_a_listener_of_a_new_transport_answers_counts_and_pads(tmp_path: Path) -> None:
    """Its queries are answered and counted under its name; padding follows its property."""
    opened: list[MemoryListener] = []

    def open_memory(listener: Listener, context: ListenContext) -> Iterator[BoundListener]:
        opened.append(MemoryListener(listener, context))
        yield opened[-1]

    (tmp_path / "graydns.yaml").write_text(CONFIG.format(zones=ROOT / "zones"))
    front = DnsServer(load_snapshot(tmp_path / "graydns.yaml")[0], Clock(), cookie_secrets=()).front
    listener, timeless = Listener(MEMORY, "127.0.0.1", 5353), Clock()
    reactor: Any = timeless
    listeners = Listeners([listener], front, ListenerLimits(), reactor, open_listener={MEMORY: open_memory})
    listeners.startService()
    query = dns.message.make_query(
        "www.shop.test", "A", use_edns=0, options=[dns.edns.GenericOption(dns.edns.OptionType.PADDING, b"")]
    )
    reply = opened[0].ask("127.0.0.1", query.to_wire())
    assert reply is not None
    assert dns.message.from_wire(reply).answer
    assert len(reply) == 468
    assert listeners.listening == (listener,)
    assert listeners.received == {"udp": 0, "memory": 1}
    finished(listeners.drain(1.0))
    assert listeners.listening == (listener,)
    listeners.stopService()
    assert not opened[0].is_open
    assert not listeners.listening


def test_a_rule_matches_a_new_transport_by_its_name() -> None:
    """``transport: memory`` needs no change to the rules' code."""
    router = route({}, Rule("memory", RuleConditions(transport="memory"), RuleOutcome(block="nodata")))
    assert outcome(router, "www.shop.test", client(transport=MEMORY)) == "rule:memory"
    assert outcome(router, "www.shop.test", client(transport=TCP)) != "rule:memory"
    assert client_to_plain(client(transport=MEMORY))["transport"] == "memory"


def test_an_endpoint_names_a_new_transport() -> None:
    """Its URL is read, with its default port."""
    assert parse_listen_endpoint("memory://127.0.0.1", [MEMORY]) == ListenEndpoint(MEMORY, "127.0.0.1", 5353)
    assert str(ListenEndpoint(MEMORY, "::1", 5353)) == "memory://[::1]:5353"


def test_an_encrypted_transport_needs_a_certificate() -> None:
    """Whatever the transport is called."""
    secret = Transport("secret", 5354, is_encrypted=True)
    nothing: Any = None
    with pytest.raises(ConfigError, match="certificate"):
        Listeners([Listener(secret, "127.0.0.1", 0)], nothing, ListenerLimits(), nothing)
