"""Servers as the machine names them, and those that are ourselves."""

from __future__ import annotations

import pytest

from graydns.model.transport import TCP, TLS, UDP
from graydns.upstream.server_groups import (
    ListeningAddress,
    UpstreamServer,
    find_forwarding_loops,
    is_local_address,
    parse_resolv_conf,
)


def test_name_servers_of_the_system() -> None:
    """Every sound ``nameserver`` line is a server, other lines are not."""
    text = "# nameserver 192.0.2.9\nnameserver 192.0.2.1\nsearch shop.test\nnameserver fe80::1%lo extra\nnameserver x\n"
    assert parse_resolv_conf(text) == (UpstreamServer("192.0.2.1"), UpstreamServer("fe80::1%lo"))


def test_system_without_name_servers_asks_itself() -> None:
    """resolv.conf(5): without nameserver lines the local machine is asked."""
    assert parse_resolv_conf("search shop.test") == (UpstreamServer("127.0.0.1"),)


def test_server_is_shown_as_it_is_written() -> None:
    """Its text is the one that a configuration file has."""
    assert str(UpstreamServer("2001:db8::53", 853, TLS, "dns.example")) == "tls://[2001:db8::53]:853#dns.example"
    assert str(UpstreamServer("192.0.2.53")) == "udp://192.0.2.53:53"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("server", "listener", "meets"),
    [
        (UpstreamServer("127.0.0.1", 5300), ListeningAddress(UDP, "127.0.0.1", 5300), True),
        (UpstreamServer("127.0.0.1", 5300), ListeningAddress(TCP, "127.0.0.1", 5300), True),
        (UpstreamServer("::ffff:127.0.0.1", 5300), ListeningAddress(UDP, "127.0.0.1", 5300), True),
        (UpstreamServer("127.0.0.1", 5300), ListeningAddress(UDP, "0.0.0.0", 5300), True),
        (UpstreamServer("::1", 5300), ListeningAddress(UDP, "::", 5300), True),
        (UpstreamServer("127.0.0.1", 853, TLS), ListeningAddress(TLS, "127.0.0.1", 853), True),
        (UpstreamServer("127.0.0.1", 5300), ListeningAddress(TLS, "127.0.0.1", 5300), False),
        (UpstreamServer("127.0.0.1", 53), ListeningAddress(UDP, "127.0.0.1", 5300), False),
        (UpstreamServer("127.0.0.2", 5300), ListeningAddress(UDP, "127.0.0.1", 5300), False),
        (UpstreamServer("192.0.2.53", 5300), ListeningAddress(UDP, "0.0.0.0", 5300), False),
    ],
)
def test_loops_are_found(server: UpstreamServer, listener: ListeningAddress, meets: bool) -> None:
    """A server is a loop if it is one of our doors, a wildcard being every address of the machine."""
    assert find_forwarding_loops([server], [listener]) == (((server, listener),) if meets else ())


@pytest.mark.integration
def test_addresses_of_this_machine() -> None:
    """Loopback is ours, an address of a documentation network is not."""
    assert is_local_address("127.0.0.1")
    assert not is_local_address("192.0.2.1")
