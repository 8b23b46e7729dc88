"""Identity: who talks to the admin interface, from where, and as what.

Credentials: what a client shows to the portal.

Checkers: who somebody is, by what was shown. There is none for nobody: nothing here is anonymous.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, TypeAlias

from attrs import define, field, frozen
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ICredentials
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from zope.interface import implementer

from graydns.admin.login_throttle import LoginThrottle
from graydns.admin.pb_security import AdminRefusedError
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
    """*actor*: ``uid:0`` or ``user:alice``. *tenant*: None = all. *origin*: ``unix`` or ``tls:ADDRESS``."""

    actor: str
    role: str
    tenant: str | None = None
    origin: str = ""

    def require_role(self, role: str) -> None:
        """Raise AdminRefusedError unless this is at least a *role*."""
        if ROLES.index(self.role) < ROLES.index(role):
            raise AdminRefusedError(f"that needs the role {role}; {self.actor} is {self.role}")


class IPeerCredentials(ICredentials):
    """Somebody the kernel vouches for."""


class IPasswordCredentials(ICredentials):
    """Somebody who says a name and a password."""


@implementer(IPeerCredentials)
@frozen
class PeerCredentials:
    """The process at the other end of a unix socket. *source*: for the audit log."""

    uid: int
    source: str


@implementer(IPasswordCredentials)
@frozen
class PasswordCredentials:
    """A claim. *source*: the address it comes from. *origin*: that, and the certificate shown, for the audit log."""

    name: str
    password: str = field(repr=False)
    source: str
    origin: str


AdminCredentials: TypeAlias = PeerCredentials | PasswordCredentials


#: Passwords hashed at once; each takes 16 MiB and a thread.
MAX_CONCURRENT_HASHES = 2


@implementer(ICredentialsChecker)
@frozen
class PeerChecker:
    """The entrance let in whom it may; who is here is admin."""

    credentialInterfaces = (IPeerCredentials,)

    def requestAvatarId(self, credentials: PeerCredentials) -> AdminIdentity:
        """An admin, called by the uid."""
        return AdminIdentity(f"uid:{credentials.uid}", ADMIN, None, credentials.source)


@implementer(ICredentialsChecker)
@define(eq=False)
class PasswordChecker:
    """Compares with the users in *file*, which is read anew each time, so that `passwd` acts at once."""

    credentialInterfaces = (IPasswordCredentials,)

    file: Path
    reactor: Any = field(repr=False)
    throttle: LoginThrottle = field(factory=LoginThrottle, repr=False)
    _hash_semaphore: DeferredSemaphore = field(
        init=False, factory=lambda: DeferredSemaphore(MAX_CONCURRENT_HASHES), repr=False
    )
    _log: Logger = field(init=False, factory=Logger, repr=False)

    def requestAvatarId(self, credentials: PasswordCredentials) -> Deferred[AdminIdentity]:
        """The user; fails with AdminRefusedError."""
        return Deferred.fromCoroutine(self._check_password(credentials))

    async def _check_password(self, shown: PasswordCredentials) -> AdminIdentity:
        if wait := self.throttle.begin_attempt(shown.source, self.reactor.seconds()):
            raise AdminRefusedError(f"too many wrong passwords; try again in {wait:.0f} s")
        pool = self.reactor.getThreadPool()
        user = await self._hash_semaphore.run(
            deferToThreadPool, self.reactor, pool, self._authenticate, shown.name, shown.password
        )
        if user is None:
            self._log.warn("admin login of {name!r} from {source} failed", name=shown.name, source=shown.source)
            raise AdminRefusedError("wrong name or password")
        self.throttle.record_success(shown.source)
        self._log.info("admin login of {name!r} from {source}", name=shown.name, source=shown.source)
        return AdminIdentity(f"user:{shown.name}", user.role, user.tenant, shown.origin)

    def _authenticate(self, name: str, password: str) -> User | None:
        """In a thread. The same work is done whether the name exists or not."""
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
    """The users in *file*. Raises OSError, and ValueError for one that others can write or that is no users file."""
    with open(file, "rb", opener=_open_nonblocking) as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o022:
            raise ValueError("not a file that only its owner can write")
        if status.st_size > MAX_USERS_FILE_BYTES:
            raise ValueError("too large")
        return parse_users(opened.read(MAX_USERS_FILE_BYTES).decode())


def _open_nonblocking(path: str, flags: int) -> int:
    """As open, without waiting for somebody to write into a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK)
