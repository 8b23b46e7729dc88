"""Who a client of the admin interface is: its credentials, how they are checked, and the identity that results.

On a Unix socket the kernel tells the user id; over TLS a client gives a name and a password. There is no anonymous
access.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from attrs import define, field, frozen
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ICredentials
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from zope.interface import implementer

from graydns.admin.login_throttle import LoginThrottle
from graydns.admin.pb_security import AdminRefusedError
from graydns.listen.tls_context import read_certificate_identity
from graydns.model.users import (
    ADMIN,
    DUMMY_USER,
    MAX_USERS_FILE_BYTES,
    PASSWORD_LENGTH_BOUNDS,
    ROLES,
    User,
    parse_users,
)


@frozen
class AdminIdentity:
    """Who a client is. *actor*: ``uid:0`` or ``user:alice``. *tenant*: None = all. *origin*: ``unix`` or
    ``tls:ADDRESS``, for the audit log.
    """

    actor: str
    role: str
    tenant: str | None = None
    origin: str = ""

    def require_role(self, role: str) -> None:
        """Raise AdminRefusedError unless the role is *role* or a more privileged one."""
        if ROLES.index(self.role) < ROLES.index(role):
            raise AdminRefusedError(f"that needs the role {role}; {self.actor} is {self.role}")


class IPeerCredentials(ICredentials):
    """The user id of a process, from the kernel."""


class IPasswordCredentials(ICredentials):
    """A name and a password."""


@implementer(IPeerCredentials)
@frozen
class PeerCredentials:
    """The process at the other end of a Unix socket. *source*: for the audit log."""

    uid: int
    source: str


@implementer(IPasswordCredentials)
@frozen
class PasswordCredentials:
    """A name and password that are not checked yet. *source*: the client address. *origin*: that and the subject of the
    client certificate, for the audit log.
    """

    name: str
    password: str = field(repr=False)
    source: str
    origin: str


AdminCredentials: TypeAlias = PeerCredentials | PasswordCredentials


#: Passwords that are hashed at the same time; each needs 16 MiB and a thread.
MAX_CONCURRENT_HASHES = 2


@implementer(ICredentialsChecker)
@frozen
class PeerChecker:
    """Gives every process that UnixAuthenticator accepted the role admin."""

    credentialInterfaces = (IPeerCredentials,)

    def requestAvatarId(self, credentials: PeerCredentials) -> AdminIdentity:
        """The identity, named by the user id."""
        return AdminIdentity(f"uid:{credentials.uid}", ADMIN, None, credentials.source)


@implementer(ICredentialsChecker)
@define(eq=False)
class PasswordChecker:
    """Checks passwords against the users in *file*, which is read at each login: `passwd` takes effect at once."""

    credentialInterfaces = (IPasswordCredentials,)

    file: Path
    reactor: Any = field(repr=False)
    throttle: LoginThrottle = field(factory=LoginThrottle, repr=False)
    _hash_semaphore: DeferredSemaphore = field(
        init=False, factory=lambda: DeferredSemaphore(MAX_CONCURRENT_HASHES), repr=False
    )
    _log: Logger = field(init=False, factory=Logger, repr=False)

    def requestAvatarId(self, credentials: PasswordCredentials) -> Deferred[AdminIdentity]:
        """The identity of the user. Fails with AdminRefusedError."""
        return Deferred.fromCoroutine(self._check_password(credentials))

    async def _check_password(self, credentials: PasswordCredentials) -> AdminIdentity:
        if wait := self.throttle.begin_attempt(credentials.source, self.reactor.seconds()):
            raise AdminRefusedError(f"too many wrong passwords; try again in {wait:.0f} s")
        pool = self.reactor.getThreadPool()
        user = await self._hash_semaphore.run(
            deferToThreadPool, self.reactor, pool, self._authenticate, credentials.name, credentials.password
        )
        if user is None:
            self._log.warn(
                "admin login of {name!r} from {source} failed", name=credentials.name, source=credentials.source
            )
            raise AdminRefusedError("wrong name or password")
        self.throttle.record_success(credentials.source)
        self._log.info("admin login of {name!r} from {source}", name=credentials.name, source=credentials.source)
        return AdminIdentity(f"user:{credentials.name}", user.role, user.tenant, credentials.origin)

    def _authenticate(self, name: str, password: str) -> User | None:
        """The user, None if name or password is wrong; both take the same time. Called in a thread."""
        users: dict[str, User] = {}
        try:
            users = load_users(self.file)
        except (OSError, ValueError) as error:
            self._log.error("nobody can log in: {file}: {error}", file=str(self.file), error=error)
        user = users.get(name, DUMMY_USER)
        return (
            user if user.scrypt.matches(password[: PASSWORD_LENGTH_BOUNDS[1] + 1]) and user is not DUMMY_USER else None
        )


def load_users(file: Path) -> dict[str, User]:
    """The users in *file*. Raises OSError, and ValueError if others can write the file or it is no users file."""
    with open(file, "rb", opener=_open_nonblocking) as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o022:
            raise ValueError("not a file that only its owner can write")
        if status.st_size > MAX_USERS_FILE_BYTES:
            raise ValueError("too large")
        return parse_users(opened.read(MAX_USERS_FILE_BYTES).decode())


def _open_nonblocking(path: str, flags: int) -> int:
    """Open without waiting for a writer if *path* is a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK)


class Authenticator(Protocol):
    """Takes the credentials of a client from its connection and login."""

    @property
    def is_remote(self) -> bool:
        """Whether clients connect over a network, and so have addresses."""

    def format_source(self, address: Any) -> str:
        """The source of a client at *address*, for limits and the audit log."""

    def find_refusal(self, transport: Any) -> str | None:
        """Why the new connection *transport* is closed before a login; None if it is not."""

    def credentials(self, transport: Any, source: str, name: str | None, password: str | None) -> AdminCredentials:
        """The credentials for the portal. Raises AdminRefusedError if something is missing."""


@frozen
class UnixAuthenticator:
    """On a Unix socket: the user id of the peer. *allowed_uids*: the users that may connect."""

    allowed_uids: frozenset[int]
    is_remote: bool = False

    def format_source(self, address: Any) -> str:
        """The same for all: peers have no address."""
        return "unix"

    def find_refusal(self, transport: Any) -> str | None:
        """A user id that is not in *allowed_uids*, also if the mode of the socket was changed."""
        uid = read_peer_uid(transport.socket)
        return None if uid in self.allowed_uids else f"uid {uid} may not"

    def credentials(self, transport: Any, source: str, name: str | None, password: str | None) -> AdminCredentials:
        """The user id; *name* and *password* are not used."""
        return PeerCredentials(read_peer_uid(transport.socket), source)


@frozen
class TlsAuthenticator:
    """Over TLS: name and password. A client certificate only adds its subject to the audit log."""

    is_remote: bool = True

    def format_source(self, address: Any) -> str:
        """The address, without the port."""
        return f"tls:{address.host}"

    def find_refusal(self, transport: Any) -> str | None:
        """None: the handshake has not taken place yet."""
        return None

    def credentials(self, transport: Any, source: str, name: str | None, password: str | None) -> AdminCredentials:
        """The name, the password and the subject of the client certificate."""
        if not name or password is None:
            raise AdminRefusedError("a name and a password are needed here")
        certificate = read_certificate_identity(transport.getPeerCertificate())
        return PasswordCredentials(name, password, source, source if certificate is None else f"{source} {certificate}")


def own_uids() -> frozenset[int]:
    """The users that may use the Unix socket: root and the user that the server runs as."""
    return frozenset((0, os.geteuid()))


def read_peer_uid(connected: socket.socket) -> int:
    """The user id of the process that connected the other end (SO_PEERCRED)."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)
