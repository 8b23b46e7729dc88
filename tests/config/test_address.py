"""Readers of addresses and names."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.config.address import (
    ListenEndpoint,
    ListenEndpointReader,
    SystemResolvers,
    UnixSocket,
    UpstreamEndpoint,
    read_admin_endpoint,
    read_name,
    read_network,
    read_path,
    read_upstream_endpoint,
)
from graydns.config.issues import ValidationError
from graydns.model.transport import TCP, TLS, UDP

listening = ListenEndpointReader((UDP, TCP, TLS))

TAKEN: list[tuple[Callable[[object], Any], str, object]] = [
    (read_network, "10.0.0.0/8", ip_network("10.0.0.0/8")),
    (read_network, "10.1.2.3", ip_network("10.1.2.3/32")),
    (read_network, "::1/128", ip_network("::1/128")),
    (read_network, "2001:db8::", ip_network("2001:db8::/128")),
    (read_network, "0.0.0.0/0", ip_network("0.0.0.0/0")),
    (listening, "udp://127.0.0.1:5300", ListenEndpoint(UDP, "127.0.0.1", 5300)),
    (listening, "tcp://[::1]:5300", ListenEndpoint(TCP, "::1", 5300)),
    (listening, "tls://[2001:DB8:0::1]", ListenEndpoint(TLS, "2001:db8::1", 853)),
    (listening, "udp://0.0.0.0", ListenEndpoint(UDP, "0.0.0.0", 53)),
    (listening, "udp://127.0.0.1:0", ListenEndpoint(UDP, "127.0.0.1", 0)),
    (read_admin_endpoint, "unix:var/admin.sock", UnixSocket(Path("var/admin.sock"))),
    (read_admin_endpoint, "tls://127.0.0.1:8553", ListenEndpoint(TLS, "127.0.0.1", 8553)),
    (read_upstream_endpoint, "system", SystemResolvers()),
    (read_upstream_endpoint, "udp://192.0.2.53:53", UpstreamEndpoint(UDP, "192.0.2.53", 53)),
    (read_upstream_endpoint, "udp://[2001:db8::53]", UpstreamEndpoint(UDP, "2001:db8::53", 53)),
    (
        read_upstream_endpoint,
        "tls://192.0.2.54:853#dns.example",
        UpstreamEndpoint(TLS, "192.0.2.54", 853, "dns.example"),
    ),
    (read_name, ".", b"\0"),
    (read_name, "API.shop.test.", b"\3api\4shop\4test\0"),
    (read_name, "a\\.b.test", b"\3a.b\4test\0"),
    (read_name, "bücher.test", b"\x0dxn--bcher-kva\4test\0"),
    (read_path, "var/", Path("var")),
]

REFUSED: list[tuple[Callable[[object], Any], object, str]] = [
    (read_network, "10.0.0.1/8", "without host bits it is 10.0.0.0/8"),
    (read_network, "10.0.0.0/33", "a network such as"),
    (read_network, "10.0.0.0/08", "a network such as"),
    (read_network, "10.0.0.0/255.0.0.0", "a network such as"),
    (read_network, "010.0.0.0/8", "a network such as"),
    (read_network, "10/8", "a network such as"),
    (read_network, "fe80::1%eth0", "a network such as"),
    (read_network, "localhost", "a network such as"),
    (read_network, None, "a network such as"),
    (listening, "127.0.0.1:5300", "udp:// or tcp:// or tls://"),
    (listening, "sctp://127.0.0.1:5300", "udp:// or tcp:// or tls://"),
    (listening, "udp://127.0.0.1:65536", "a port up to 65535"),
    (listening, "udp://127.0.0.1:053", "a port up to 65535"),
    (listening, "udp://127.0.0.1:", "a port"),
    (listening, "udp://::1:53", "IPv6 in brackets"),
    (listening, "udp://[127.0.0.1]:53", "IPv6 in brackets"),
    (listening, "udp://localhost:53", "an IP address"),
    (listening, "udp://127.0.0.1:53/", "an IP address"),
    (listening, ["udp://127.0.0.1:53"], "an IP address"),
    (read_admin_endpoint, "unix:", "a path"),
    (read_admin_endpoint, "tcp://127.0.0.1:8553", "unix:PATH or tls://"),
    (read_admin_endpoint, None, "unix:PATH or tls://"),
    (read_upstream_endpoint, "System", "system, udp://"),
    (read_upstream_endpoint, "192.0.2.53", "system, udp://"),
    (read_upstream_endpoint, "tcp://192.0.2.53:53", "system, udp://"),
    (read_upstream_endpoint, "tls://192.0.2.54:853", "#NAME"),
    (read_upstream_endpoint, "tls://192.0.2.54:853#", "#NAME"),
    (read_upstream_endpoint, "tls://192.0.2.54:853#a b", "#NAME"),
    (read_upstream_endpoint, "udp://192.0.2.53:53#dns.example", "#NAME"),
    (read_upstream_endpoint, "udp://192.0.2.53:0", "system, udp://"),
    (read_upstream_endpoint, "udp://0.0.0.0:53", "system, udp://"),
    (read_upstream_endpoint, None, "system, udp://"),
    (read_name, "", "a domain name"),
    (read_name, "@", "a domain name"),
    (read_name, "a..b", "a domain name"),
    (read_name, "a b.test", "a domain name"),
    (read_name, "a" * 64 + ".test", "a domain name"),
    (read_name, "a." * 128, "a domain name"),
    (read_name, "a\\300.test", "a domain name"),
    (read_name, None, "a domain name"),
    (read_path, "", "a path"),
    (read_path, "a\0b", "a path"),
    (read_path, None, "a path"),
]


@pytest.mark.parametrize(("reader", "text", "value"), TAKEN)
def test_taken(reader: Callable[[object], Any], text: str, value: object) -> None:
    """A well-formed address is read with its type."""
    assert reader(text) == value


@pytest.mark.parametrize(("reader", "value", "expected"), REFUSED)
def test_refused(reader: Callable[[object], Any], value: object, expected: str) -> None:
    """Anything else is refused with a text that says what would have been right."""
    with pytest.raises(ValidationError) as caught:
        reader(value)
    assert expected in caught.value.issues[0].expected


@given(st.sampled_from([*dict.fromkeys(row[0] for row in TAKEN)]), st.text() | st.text(alphabet="tls:udp/[]#.%0123@\\"))
def test_any_text(reader: Callable[[object], Any], text: str) -> None:
    """A reader returns something or raises Issues, never anything else."""
    with suppress(ValidationError):
        reader(text)


@pytest.mark.parametrize("text", ["udp://127.0.0.1:53", "tls://[::1]:853"])
def test_doors_print_as_they_are_written(text: str) -> None:
    """A door's text is what a user would write."""
    assert str(listening(text)) == text


@pytest.mark.parametrize("text", ["system", "udp://[2001:db8::53]:53", "tls://192.0.2.54:853#dns.example"])
def test_servers_print_as_they_are_written(text: str) -> None:
    """A server's text is what a user would write."""
    assert str(read_upstream_endpoint(text)) == text
