"""Servers as the machine names them, and those that are ourselves."""

from __future__ import annotations

import pytest

from graydns.upstream.loop import Listener, is_of_this_machine, loops
from graydns.upstream.server import Server, system_servers


def test_name_servers_of_the_system() -> None:
    """Every sound ``nameserver`` line is a server, other lines are not."""
    text = "# nameserver 192.0.2.9\nnameserver 192.0.2.1\nsearch shop.test\nnameserver fe80::1%lo extra\nnameserver x\n"
    assert system_servers(text) == (Server("192.0.2.1"), Server("fe80::1%lo"))


def test_system_without_name_servers_asks_itself() -> None:
    """resolv.conf(5): without nameserver lines the local machine is asked."""
    assert system_servers("search shop.test") == (Server("127.0.0.1"),)


def test_server_is_shown_as_it_is_written() -> None:
    """Its text is the one that a configuration file has."""
    assert str(Server("2001:db8::53", 853, "tls", "dns.example")) == "tls://[2001:db8::53]:853#dns.example"
    assert str(Server("192.0.2.53")) == "udp://192.0.2.53:53"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("server", "listener", "meets"),
    [
        (Server("127.0.0.1", 5300), Listener("udp", "127.0.0.1", 5300), True),
        (Server("127.0.0.1", 5300), Listener("tcp", "127.0.0.1", 5300), True),
        (Server("::ffff:127.0.0.1", 5300), Listener("udp", "127.0.0.1", 5300), True),
        (Server("127.0.0.1", 5300), Listener("udp", "0.0.0.0", 5300), True),
        (Server("::1", 5300), Listener("udp", "::", 5300), True),
        (Server("127.0.0.1", 853, "tls"), Listener("tls", "127.0.0.1", 853), True),
        (Server("127.0.0.1", 5300), Listener("tls", "127.0.0.1", 5300), False),
        (Server("127.0.0.1", 53), Listener("udp", "127.0.0.1", 5300), False),
        (Server("127.0.0.2", 5300), Listener("udp", "127.0.0.1", 5300), False),
        (Server("192.0.2.53", 5300), Listener("udp", "0.0.0.0", 5300), False),
    ],
)
def test_loops_are_found(server: Server, listener: Listener, meets: bool) -> None:
    """A server is a loop if it is one of our doors, a wildcard being every address of the machine."""
    assert loops([server], [listener]) == (((server, listener),) if meets else ())


@pytest.mark.integration
def test_addresses_of_this_machine() -> None:
    """Loopback is ours, an address of a documentation network is not."""
    assert is_of_this_machine("127.0.0.1")
    assert not is_of_this_machine("192.0.2.1")
