"""graydns and the stock classes of twisted.names, over real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest
from twisted.internet import reactor as default_reactor
from twisted.internet.threads import deferToThread
from twisted.names import dns as names_dns
from twisted.names.server import DNSServerFactory

import graydns
from graydns.model.errors import ConfigError
from tests.coroutines import on_reactor
from tests.upstream.queries import write_reply
from tests.upstream.scripted import scripted

reactor: Any = default_reactor

ZONE = """$ORIGIN shop.test.
$TTL 60
shop.test. 60 IN SOA ns.shop.test. root.shop.test. 1 3600 600 86400 30
www.shop.test. 60 IN A 192.0.2.1
"""
CLIENT = "resolver: 'tests.extending.twisted_program:make_resolver'"
AUTHORITY = "resolver: 'tests.extending.twisted_program:make_authority'"


def write(folder: Path, upstream: str, more: str = "") -> Path:
    path = folder / "graydns.yaml"
    path.write_text(f"zones: null\nupstreams: {{legacy: {{{upstream}}}}}\nforward: {{shop.test: legacy}}\n{more}\n")
    (folder / "zone").write_text(ZONE)
    return path


async def exchange(name: str, port: int, tcp: bool) -> dns.message.Message:
    """The reply of the server at *port*, asked by another library."""
    send = dns.query.tcp if tcp else dns.query.udp
    reply: dns.message.Message = await deferToThread(
        lambda: send(dns.message.make_query(name, "A"), "127.0.0.1", 5, port)
    )
    return reply


@pytest.mark.parametrize("tcp", [False, True])
@on_reactor
async def test_a_stock_server_serves_our_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcp: bool) -> None:
    """DNSServerFactory(clients=[graydns.resolver(path)]): addresses, NXDOMAIN, and SERVFAIL for other errors."""
    monkeypatch.chdir(tmp_path)
    factory: Any = DNSServerFactory(clients=[graydns.resolver(write(tmp_path, AUTHORITY))])
    if tcp:
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    else:
        port = reactor.listenUDP(0, names_dns.DNSDatagramProtocol(factory), interface="127.0.0.1")
    try:
        found = await exchange("www.shop.test", port.getHost().port, tcp)
        assert [str(rdata) for rrset in found.answer for rdata in rrset] == ["192.0.2.1"]
        assert (await exchange("gone.shop.test", port.getHost().port, tcp)).rcode() == 3
        assert (await exchange("www.other.test", port.getHost().port, tcp)).rcode() == 2
    finally:
        await port.stopListening()


@on_reactor
async def test_the_stock_client_is_an_upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of its suffix are asked of the IResolver, and the answer is cached."""
    monkeypatch.chdir(tmp_path)
    seen: list[Any] = []

    def reply(query: Any) -> list[bytes]:
        seen.append(query)
        return [write_reply(query, ["www.shop.test. 60 IN A 192.0.2.1"])]

    async with scripted(reply) as server:
        (tmp_path / "port").write_text(str(server.port))
        resolver: Any = graydns.resolver(write(tmp_path, CLIENT, "dnssec: {validate: false}"))
        for _ in range(2):
            answers, _, _ = await resolver.lookupAddress("www.shop.test")
            assert answers[0].payload.dottedQuad() == "192.0.2.1"
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("upstream", "more", "expected"),
    [
        ("resolver: 'nowhere.at_all:x'", "", "cannot be imported"),
        (f"{CLIENT}, servers: [system]", "", "one of the two"),
        (f"{CLIENT}, ecs: true", "", "false: an IResolver"),
        (AUTHORITY, "dnssec: {validate: true}", "negative trust anchor"),
        (
            AUTHORITY,
            "dnssec: {validate: true, negative_trust_anchors: [{name: test, until: 2099-01-01T00:00:00Z}]}",
            "negative trust anchor",
        ),
        (AUTHORITY, "consul: {}", "twistd graydns"),
    ],
)
def test_what_an_iresolver_cannot_do_is_an_error(tmp_path: Path, upstream: str, more: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        graydns.resolver(write(tmp_path, upstream, more))


def test_a_negative_trust_anchor_permits_an_unsigned_resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    anchors = "dnssec: {validate: true, negative_trust_anchors: [{name: test}]}"
    assert graydns.resolver(write(tmp_path, AUTHORITY, anchors))
