"""Checkers: who somebody is, by what was shown. There is none for nobody: nothing here is anonymous."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from zope.interface import implementer

from graydns.admin.credentials import IPassword, IPeer, Password, Peer
from graydns.admin.gate import Gate
from graydns.admin.identity import ADMIN, Identity
from graydns.admin.security import Refused
from graydns.model.users import LARGEST_FILE, NOBODY, PASSWORD, User, read_users

#: Passwords hashed at once; each takes 16 MiB and a thread.
AT_ONCE = 2


@implementer(ICredentialsChecker)
@frozen
class PeerChecker:
    """The entrance let in whom it may; who is here is admin."""

    credentialInterfaces = (IPeer,)

    def requestAvatarId(self, credentials: Peer) -> Identity:
        """An admin, called by the uid."""
        return Identity(f"uid:{credentials.uid}", ADMIN, None, credentials.source)


@implementer(ICredentialsChecker)
@define(eq=False)
class PasswordChecker:
    """Compares with the users in *file*, which is read anew each time, so that `passwd` acts at once."""

    credentialInterfaces = (IPassword,)

    file: Path
    reactor: Any = field(repr=False)
    gate: Gate = field(factory=Gate, repr=False)
    _turns: DeferredSemaphore = field(init=False, factory=lambda: DeferredSemaphore(AT_ONCE), repr=False)
    _log: Logger = field(init=False, factory=Logger, repr=False)

    def requestAvatarId(self, credentials: Password) -> Deferred[Identity]:
        """The user; fails with Refused."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, shown: Password) -> Identity:
        if wait := self.gate.enter(shown.source, self.reactor.seconds()):
            raise Refused(f"too many wrong passwords; try again in {wait:.0f} s")
        pool = self.reactor.getThreadPool()
        user = await self._turns.run(deferToThreadPool, self.reactor, pool, self._find, shown.name, shown.password)
        if user is None:
            self._log.warn("admin login of {name!r} from {source} failed", name=shown.name, source=shown.source)
            raise Refused("wrong name or password")
        self.gate.right(shown.source)
        self._log.info("admin login of {name!r} from {source}", name=shown.name, source=shown.source)
        return Identity(f"user:{shown.name}", user.role, user.tenant, shown.origin)

    def _find(self, name: str, password: str) -> User | None:
        """In a thread. The same work is done whether the name exists or not."""
        users: dict[str, User] = {}
        try:
            users = load_users(self.file)
        except (OSError, ValueError) as error:
            self._log.error("nobody can log in: {file}: {error}", file=str(self.file), error=error)
        user = users.get(name, NOBODY)
        return user if user.scrypt.matches(password[: PASSWORD[1] + 1]) and user is not NOBODY else None


def load_users(file: Path) -> dict[str, User]:
    """The users in *file*. Raises OSError, and ValueError for one that others can write or that is no users file."""
    with open(file, "rb", opener=_open_at_once) as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o022:
            raise ValueError("not a file that only its owner can write")
        if status.st_size > LARGEST_FILE:
            raise ValueError("too large")
        return read_users(opened.read(LARGEST_FILE).decode())


def _open_at_once(path: str, flags: int) -> int:
    """As open, without waiting for somebody to write into a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK)
