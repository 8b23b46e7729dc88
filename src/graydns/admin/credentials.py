"""Credentials: what a client shows to the portal."""

from __future__ import annotations

from typing import TypeAlias

from attrs import field, frozen
from twisted.cred.credentials import ICredentials
from zope.interface import implementer


class IPeer(ICredentials):
    """Somebody the kernel vouches for."""


class IPassword(ICredentials):
    """Somebody who says a name and a password."""


@implementer(IPeer)
@frozen
class Peer:
    """The process at the other end of a unix socket. *source*: for the audit log."""

    uid: int
    source: str


@implementer(IPassword)
@frozen
class Password:
    """A claim. *source*: the address it comes from. *origin*: that, and the certificate shown, for the audit log."""

    name: str
    password: str = field(repr=False)
    source: str
    origin: str


Shown: TypeAlias = Peer | Password
