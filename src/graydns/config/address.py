"""Readers of everything that has to do with addresses: networks, endpoints, servers, domain names."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from graydns.config.misfit import misfits
from graydns.model import name

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

#: RFC 1035 section 4.2, RFC 7858 section 3.1.
DEFAULT_PORTS = {"udp": 53, "tcp": 53, "tls": 853}

NETWORK = re.compile(r"([0-9a-fA-F:.]+)(/(?:0|[1-9][0-9]{0,2}))?")
ENDPOINT = re.compile(r"([a-z]+)://(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::(0|[1-9][0-9]{0,4}))?")
SERVER_NAME = re.compile(r"[A-Za-z0-9:._-]{1,255}")


@frozen
class Door:
    """One address and port of a transport: where graydns listens. Port 0: the system picks one."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}://{host}:{self.port}"


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
class Server:
    """A server that is asked; *name*: what its certificate must prove, "" unless *transport* is tls."""

    transport: str
    host: str
    port: int
    name: str = ""

    def __str__(self) -> str:
        suffix = f"#{self.name}" if self.name else ""
        return f"{Door(self.transport, self.host, self.port)}{suffix}"


def parse_network(text: str) -> Network | None:
    """The network that *text* writes in CIDR notation, a lone address being a network of one; else None."""
    if not NETWORK.fullmatch(text):
        return None
    try:
        return ip_network(text)
    except ValueError:
        return None


def read_network(value: object, /) -> Network:
    """A network in CIDR notation."""
    expected = "a network such as 10.0.0.0/8 or 2001:db8::/32"
    if not isinstance(value, str):
        raise misfits(value, expected)
    if (network := parse_network(value)) is None:
        raise misfits(value, f"{expected}{_aligned(value)}")
    return network


def _aligned(text: str) -> str:
    """What *text* may have been meant to be, if only its host bits are wrong."""
    try:
        return f"; without host bits it is {ip_network(text, strict=False)}" if NETWORK.fullmatch(text) else ""
    except ValueError:
        return ""


def read_network_text(value: object, /) -> str:
    """A network, kept as it was typed."""
    read_network(value)
    return str(value)


def parse_door(text: str, transports: tuple[str, ...]) -> Door | None:
    """*text* as ``transport://address:port``, else None."""
    match = ENDPOINT.fullmatch(text)
    if not match or match[1] not in transports:
        return None
    port = int(match[4]) if match[4] else DEFAULT_PORTS[match[1]]
    try:
        host = IPv6Address(match[2]) if match[2] else IPv4Address(match[3])
    except ValueError:
        return None
    return Door(match[1], str(host), port) if port <= 65535 else None


@frozen
class Listening:
    """An endpoint to listen on, with one of *transports*."""

    transports: tuple[str, ...]

    def __call__(self, value: object, /) -> Door:
        """The endpoint."""
        endpoint = parse_door(value, self.transports) if isinstance(value, str) else None
        if endpoint is None:
            schemes = " or ".join(f"{transport}://" for transport in self.transports)
            raise misfits(value, f"{schemes} with an IP address (IPv6 in brackets) and a port up to 65535")
        return endpoint


def read_admin(value: object, /) -> UnixSocket | Door:
    """Where the admin interface listens: ``unix:PATH`` or ``tls://ADDRESS:PORT``."""
    if isinstance(value, str):
        if value.startswith("unix:"):
            return UnixSocket(read_path(value.removeprefix("unix:")))
        if endpoint := parse_door(value, ("tls",)):
            return endpoint
    raise misfits(value, "unix:PATH or tls://ADDRESS:PORT")


def read_server(value: object, /) -> Server | SystemResolvers:
    """A server that is asked: ``system``, ``udp://ADDRESS:PORT`` or ``tls://ADDRESS:PORT#NAME``."""
    expected = "system, udp://ADDRESS:PORT or tls://ADDRESS:PORT#NAME (IPv6 in brackets, NAME as in its certificate)"
    if not isinstance(value, str):
        raise misfits(value, expected)
    if value == "system":
        return SystemResolvers()
    text, mark, proof = value.partition("#")
    endpoint = parse_door(text, ("udp", "tls"))
    if endpoint is None or endpoint.port == 0 or ip_address(endpoint.host).is_unspecified:
        raise misfits(value, expected)
    if (endpoint.transport == "tls") != bool(mark) or (mark and not SERVER_NAME.fullmatch(proof)):
        raise misfits(value, expected)
    return Server(endpoint.transport, endpoint.host, endpoint.port, proof)


def read_name(value: object, /) -> bytes:
    """A full domain name, with or without the final dot, as in ``model.name``."""
    expected = "a domain name such as shop.test"
    if not isinstance(value, str) or value in ("", "@") or any(char.isspace() for char in value):
        raise misfits(value, expected)
    try:
        return name.from_text(value)
    except ValueError:
        raise misfits(value, expected) from None


def read_path(value: object, /) -> Path:
    """A path, not yet resolved against anything."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise misfits(value, "a path")
    return Path(value)
