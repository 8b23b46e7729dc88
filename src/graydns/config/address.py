"""Readers of everything that has to do with addresses: networks, endpoints, servers, domain names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from graydns.config.issues import make_validation_error
from graydns.model import name
from graydns.model.transport import TLS, TRANSPORTS, UDP, Transport

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

NETWORK_PATTERN = re.compile(r"([0-9a-fA-F:.]+)(/(?:0|[1-9][0-9]{0,2}))?")
ENDPOINT_PATTERN = re.compile(r"([a-z]+)://(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::(0|[1-9][0-9]{0,4}))?")
SERVER_NAME_PATTERN = re.compile(r"[A-Za-z0-9:._-]{1,255}")


@frozen
class ListenEndpoint:
    """One address and port of a transport: where graydns listens. Port 0: the system picks one."""

    transport: Transport
    host: str
    port: int

    def __str__(self) -> str:
        return self.transport.format_url(self.host, self.port)


@frozen
class UnixSocket:
    """A socket in the file system."""

    path: Path


@frozen
class SystemResolvers:
    """The servers that resolv.conf names."""

    def __str__(self) -> str:
        return "system"


@frozen
class UpstreamEndpoint:
    """A server that is asked; *server_name*: what its certificate must prove, "" unless *transport* is encrypted."""

    transport: Transport
    host: str
    port: int
    server_name: str = ""

    def __str__(self) -> str:
        url = self.transport.format_url(self.host, self.port)
        return f"{url}#{self.server_name}" if self.server_name else url


def parse_network(text: str) -> Network | None:
    """The network that *text* writes in CIDR notation, a lone address being a network of one; else None."""
    if not NETWORK_PATTERN.fullmatch(text):
        return None
    try:
        return ip_network(text)
    except ValueError:
        return None


def read_network(value: object, /) -> Network:
    """A network in CIDR notation."""
    expected = "a network such as 10.0.0.0/8 or 2001:db8::/32"
    if not isinstance(value, str):
        raise make_validation_error(value, expected)
    if (network := parse_network(value)) is None:
        raise make_validation_error(value, f"{expected}{_suggest_network(value)}")
    return network


def _suggest_network(text: str) -> str:
    """What *text* may have been meant to be, if only its host bits are wrong."""
    try:
        return f"; without host bits it is {ip_network(text, strict=False)}" if NETWORK_PATTERN.fullmatch(text) else ""
    except ValueError:
        return ""


def read_network_text(value: object, /) -> str:
    """A network, kept as it was typed."""
    read_network(value)
    return str(value)


def parse_listen_endpoint(text: str, transports: Iterable[Transport]) -> ListenEndpoint | None:
    """*text* as ``transport://address:port``, else None."""
    match = ENDPOINT_PATTERN.fullmatch(text)
    transport = TRANSPORTS.get(match[1]) if match else None
    if not match or transport is None or transport not in transports:
        return None
    port = int(match[4]) if match[4] else transport.default_port
    try:
        host = IPv6Address(match[2]) if match[2] else IPv4Address(match[3])
    except ValueError:
        return None
    return ListenEndpoint(transport, str(host), port) if port <= 65535 else None


@frozen
class ListenEndpointReader:
    """An endpoint to listen on, with one of *transports*."""

    transports: tuple[Transport, ...]

    def __call__(self, value: object, /) -> ListenEndpoint:
        """The endpoint."""
        endpoint = parse_listen_endpoint(value, self.transports) if isinstance(value, str) else None
        if endpoint is None:
            schemes = " or ".join(f"{transport}://" for transport in self.transports)
            raise make_validation_error(
                value, f"{schemes} with an IP address (IPv6 in brackets) and a port up to 65535"
            )
        return endpoint


def read_admin_endpoint(value: object, /) -> UnixSocket | ListenEndpoint:
    """Where the admin interface listens: ``unix:PATH`` or ``tls://ADDRESS:PORT``."""
    if isinstance(value, str):
        if value.startswith("unix:"):
            return UnixSocket(read_path(value.removeprefix("unix:")))
        if endpoint := parse_listen_endpoint(value, (TLS,)):
            return endpoint
    raise make_validation_error(value, "unix:PATH or tls://ADDRESS:PORT")


def read_upstream_endpoint(value: object, /) -> UpstreamEndpoint | SystemResolvers:
    """A server that is asked: ``system``, ``udp://ADDRESS:PORT`` or ``tls://ADDRESS:PORT#NAME``."""
    expected = "system, udp://ADDRESS:PORT or tls://ADDRESS:PORT#NAME (IPv6 in brackets, NAME as in its certificate)"
    if not isinstance(value, str):
        raise make_validation_error(value, expected)
    if value == "system":
        return SystemResolvers()
    text, mark, proof = value.partition("#")
    endpoint = parse_listen_endpoint(text, (UDP, TLS))
    if endpoint is None or endpoint.port == 0 or ip_address(endpoint.host).is_unspecified:
        raise make_validation_error(value, expected)
    if endpoint.transport.is_encrypted != bool(mark) or (mark and not SERVER_NAME_PATTERN.fullmatch(proof)):
        raise make_validation_error(value, expected)
    return UpstreamEndpoint(endpoint.transport, endpoint.host, endpoint.port, proof)


def read_name(value: object, /) -> bytes:
    """A full domain name, with or without the final dot, as in ``model.name``."""
    expected = "a domain name such as shop.test"
    if not isinstance(value, str) or value in ("", "@") or any(char.isspace() for char in value):
        raise make_validation_error(value, expected)
    try:
        return name.from_text(value)
    except ValueError:
        raise make_validation_error(value, expected) from None


def read_path(value: object, /) -> Path:
    """A path, not yet resolved against anything."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise make_validation_error(value, "a path")
    return Path(value)
