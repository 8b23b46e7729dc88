"""An admin interface that is open for the length of a test, and clients for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.spread import pb

from graydns.admin.admin_service import AdminService
from graydns.admin.connections import AdminLimits
from graydns.config.address import ListenEndpoint, UnixSocket
from graydns.ctl.admin_client import AdminClient
from graydns.ctl.admin_endpoint import AdminClientError, AdminEndpoint, AdminLogin, TlsAdminEndpoint, UnixAdminEndpoint
from graydns.listen.tls_context import TlsContext
from graydns.model.users import User, format_users, hash_password
from graydns.operations import OPERATIONS
from graydns.operations.operation import Operation
from graydns.operations.testing import FakeControlPlane
from tests.admin.memory import MemoryAudit, MemoryControl
from tests.listen.running import TimelessReactor

reactor: Any = default_reactor

PASSWORD = "correct horse"


@define
class Running:
    """An open admin interface. *clock*: moves its time."""

    service: AdminService
    control: Any
    audit: MemoryAudit
    clock: Clock

    @property
    def endpoint(self) -> AdminEndpoint:
        where = self.service.bound_address
        if isinstance(where, UnixSocket):
            return UnixAdminEndpoint(where.path)
        assert where is not None
        return TlsAdminEndpoint(where.host, where.port)

    @property
    def connections(self) -> int:
        assert self.service.connections is not None
        return len(self.service.connections)

    def client(self, login: AdminLogin | None = None) -> AdminClient:
        """A client like graydnsctl's."""
        return AdminClient(reactor, self.endpoint, login or AdminLogin())

    async def call(self, command: str, login: AdminLogin | None = None, **arguments: Any) -> Any:
        """The reply to one call over a new connection."""
        client = self.client(login)
        try:
            return await client.call(command, arguments)
        finally:
            client.close()

    async def refusal(self, command: str, login: AdminLogin | None = None, **arguments: Any) -> str:
        """The text of the refusal of one call."""
        with pytest.raises(AdminClientError) as caught:
            await self.call(command, login, **arguments)
        return str(caught.value)

    async def root(self) -> Any:
        """The root object through PB's own client, which restricts no types."""
        factory: Any = pb.PBClientFactory()
        factory.noisy = False
        assert isinstance(self.endpoint, UnixAdminEndpoint)
        reactor.connectUNIX(str(self.endpoint.path), factory)
        return await factory.getRootObject()

    async def avatar(self) -> Any:
        """A perspective through PB's own client."""
        avatar = await (await self.root()).callRemote("login")
        avatar.doRefCount = False
        return avatar

    async def raw(self) -> Raw:
        """A connection without a protocol."""
        assert isinstance(self.endpoint, UnixAdminEndpoint)
        endpoint = UNIXClientEndpoint(reactor, str(self.endpoint.path))
        raw: Raw = await connectProtocol(endpoint, Raw())
        return raw


class Raw(Protocol):
    """Stores the bytes received. *ended*: fires when the connection is closed."""

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(None)


@asynccontextmanager
async def running(
    address: UnixSocket | ListenEndpoint,
    folder: Path,
    *,
    control: FakeControlPlane | None = None,
    audit: MemoryAudit | None = None,
    tls: TlsContext | None = None,
    limits: AdminLimits | None = None,
    operations: Mapping[str, Operation] = OPERATIONS,
) -> AsyncIterator[Running]:
    """Open an admin interface, and close it afterwards."""
    timeless = TimelessReactor()
    control, audit = control or MemoryControl(), audit or MemoryAudit()
    service = AdminService(
        address, control, audit, timeless, users=folder / "users.json", tls=tls, limits=limits, operations=operations
    )
    service.privilegedStartService()
    service.startService()
    try:
        yield Running(service, control, audit, timeless.clock)
    finally:
        await service.stopService()


def unix(folder: Path) -> UnixSocket:
    return UnixSocket(folder / "admin.sock")


def quick_user(role: str, tenant: str | None = None, password: str = PASSWORD) -> User:
    """A user whose password hash takes no time."""
    return User(role, tenant, hash_password(password, bytes(16), (2, 1, 1)))


def write(folder: Path, **users: User) -> None:
    """Write the users file."""
    path = folder / "users.json"
    path.write_text(format_users(users))
    path.chmod(0o600)
