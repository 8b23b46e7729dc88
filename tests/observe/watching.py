"""The demo's server, and queries to its front, for the tests of what observes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.edns
import dns.message
from twisted.internet.task import Clock

from graydns.model.query import Query
from graydns.model.transport import UDP, Transport
from graydns.server import DnsServer
from graydns.sources.snapshot_loader import load_snapshot
from tests.coroutines import finished

ROOT = Path(__file__).parents[2]

CONFIG = """\
admin: null
http: null
zones: {zones}
data: {folder}
upstreams: {{none: {{servers: ["udp://127.0.0.1:9"], deadline: 100ms}}}}
forward: {{fwd.test: none}}
"""


def demo(folder: Path, reactor: Any = None) -> DnsServer:
    """A server of the demo's zones. *reactor*: None = one that does nothing."""
    (folder / "graydns.yaml").write_text(CONFIG.format(zones=ROOT / "zones", folder=folder))
    return DnsServer(load_snapshot(folder / "graydns.yaml")[0], reactor or Clock(), cookie_secrets=(bytes(16),))


def wire(name: str, qtype: str = "A", subnet: str | None = None, client: str | None = None) -> bytes:
    """A query."""
    options: list[Any] = []
    if subnet is not None:
        address, _, prefix = subnet.partition("/")
        options.append(dns.edns.ECSOption(address, int(prefix)))
    if client is not None:
        options.append(dns.edns.GenericOption(dns.edns.OptionType.make(65001), f"client={client}".encode()))
    return dns.message.make_query(name, qtype, use_edns=0, options=options).to_wire()


def ask(server: DnsServer, message: bytes, address: str = "127.0.0.1", transport: Transport = UDP) -> bytes:
    """The reply, by whatever way."""
    front = server.front
    peer = front.peer(address, transport)
    said = front.answer(message, peer)
    return finished(front.resolve(said, peer)) if isinstance(said, Query) else said or b""
