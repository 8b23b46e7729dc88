"""Entrances: the two ways in, and by what each knows who comes."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any, Protocol

from attrs import frozen

from graydns.admin.checkers import AdminCredentials, PasswordCredentials, PeerCredentials
from graydns.admin.pb_security import AdminRefusedError
from graydns.listen.tls_context import read_certificate_identity


class Authenticator(Protocol):
    """One way in. *remote*: clients come over a network."""

    @property
    def is_remote(self) -> bool:
        """Whether clients have addresses."""

    def format_source(self, address: Any) -> str:
        """Where a client at *address* comes from, for limits and the audit log."""

    def find_refusal(self, transport: Any) -> str | None:
        """Why the new connection of *transport* may not even log in; None if it may."""

    def credentials(self, transport: Any, source: str, name: str | None, password: str | None) -> AdminCredentials:
        """What to show the portal; raises Refused if something is missing."""


@frozen
class UnixAuthenticator:
    """A unix socket: the kernel says who the peer is. *uids*: who may come."""

    allowed_uids: frozenset[int]
    is_remote: bool = False

    def format_source(self, address: Any) -> str:
        """Peers have no address."""
        return "unix"

    def find_refusal(self, transport: Any) -> str | None:
        """Others than *uids* are not let in, whatever the mode of the socket has become."""
        uid = read_peer_uid(transport.socket)
        return None if uid in self.allowed_uids else f"uid {uid} may not"

    def credentials(self, transport: Any, source: str, name: str | None, password: str | None) -> AdminCredentials:
        """The uid; nobody has to say a name here."""
        return PeerCredentials(read_peer_uid(transport.socket), source)


@frozen
class TlsAuthenticator:
    """TLS: everybody may come and must prove a name with its password. A certificate is noted, no more."""

    is_remote: bool = True

    def format_source(self, address: Any) -> str:
        """The address, without the port."""
        return f"tls:{address.host}"

    def find_refusal(self, transport: Any) -> str | None:
        """None yet; the handshake is still to come."""
        return None

    def credentials(self, transport: Any, source: str, name: str | None, password: str | None) -> AdminCredentials:
        """Name and password."""
        if not name or password is None:
            raise AdminRefusedError("a name and a password are needed here")
        certificate = read_certificate_identity(transport.getPeerCertificate())
        return PasswordCredentials(name, password, source, source if certificate is None else f"{source} {certificate}")


def own_uids() -> frozenset[int]:
    """Who may use the unix socket: root and the user that the server runs as."""
    return frozenset((0, os.geteuid()))


def read_peer_uid(connected: socket.socket) -> int:
    """The user id of the process that connected the other end (SO_PEERCRED)."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)
