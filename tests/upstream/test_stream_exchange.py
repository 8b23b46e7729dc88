"""DNS over TLS to servers whose certificates a test made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from twisted.internet.defer import CancelledError
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, DefaultOpenSSLContextFactory, trustRootFromCertificates

from graydns.model.errors import UpstreamError
from graydns.model.transport import TLS
from graydns.upstream.server_groups import UpstreamServer
from tests.coroutines import on_reactor
from tests.listen.certificates import issue
from tests.upstream.queries import make_query, show, write_reply
from tests.upstream.scripted import (
    Script,
    ScriptedServer,
    StreamOf,
    everything_open,
    group_of,
    make_client,
    nothing_else_open,
    reactor,
    silent,
    turn,
)

ADDRESS = "www.shop.test. 60 IN A 192.0.2.1"


def honest(query: bytes) -> Sequence[bytes]:
    """The script of a good server."""
    return [write_reply(query, [ADDRESS])]


@asynccontextmanager
async def serving(folder: Path, names: Sequence[x509.GeneralName], script: Script) -> AsyncIterator[tuple[int, object]]:
    """A TLS server whose certificate has *names*: its port and the authority that issued it."""
    before = everything_open()
    authority = issue(folder, "authority", authority=True)
    issued = issue(folder, "", names, issuer=authority)
    context = DefaultOpenSSLContextFactory(str(issued.key_file), str(issued.certificate_file))
    factory = Factory.forProtocol(lambda: StreamOf(ScriptedServer(silent, script)))
    port = reactor.listenSSL(0, factory, context, interface="127.0.0.1")
    root = Certificate.loadPEM(authority.certificate_file.read_bytes())
    try:
        yield port.getHost().port, trustRootFromCertificates([root])
    finally:
        await port.stopListening()
    await nothing_else_open(before)


@on_reactor
async def test_answer_comes_over_tls(tmp_path: Path) -> None:
    """A server is believed if its certificate has the configured name."""
    async with serving(tmp_path, [x509.DNSName("dns.example")], honest) as (port, trust):
        group = group_of(UpstreamServer("127.0.0.1", port, TLS, "dns.example"))
        assert show(make_query(), await make_client(trust=trust).ask(make_query(), group)) == [f"answer {ADDRESS}"]


@on_reactor
async def test_address_is_verified_without_a_name(tmp_path: Path) -> None:
    """Without a name the certificate must have the address."""
    async with serving(tmp_path, [x509.IPAddress(ip_address("127.0.0.1"))], honest) as (port, trust):
        group = group_of(UpstreamServer("127.0.0.1", port, TLS))
        assert show(make_query(), await make_client(trust=trust).ask(make_query(), group)) == [f"answer {ADDRESS}"]


@pytest.mark.parametrize("trusted", [True, False])
@on_reactor
async def test_wrong_certificate_is_refused(tmp_path: Path, trusted: bool) -> None:
    """A certificate for another name, or of an authority that is not trusted, makes the server unusable (EDE 23)."""
    names = [x509.DNSName("other.example" if trusted else "dns.example")]
    async with serving(tmp_path, names, honest) as (port, trust):
        client = make_client(trust=trust if trusted else None)
        with pytest.raises(UpstreamError) as caught:
            await client.ask(make_query(), group_of(UpstreamServer("127.0.0.1", port, TLS, "dns.example")))
        assert caught.value.ede == 23


@on_reactor
async def test_cancelling_closes_the_connection(tmp_path: Path) -> None:
    """Whoever stops waiting leaves no connection, during the handshake or after it."""
    async with serving(tmp_path, [x509.DNSName("dns.example")], silent) as (port, trust):
        for seconds in (0.0, 0.05):
            group = group_of(UpstreamServer("127.0.0.1", port, TLS, "dns.example"))
            asking = make_client(trust=trust).ask(make_query(), group)
            await turn(seconds)
            asking.cancel()
            with pytest.raises(CancelledError):
                await asking
