"""The login over TLS."""

from __future__ import annotations

import os
import socket
import time
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509

from graydns.admin.admin_service import AdminService
from graydns.admin.authentication import load_users
from graydns.admin.connections import AdminLimits
from graydns.config.address import ListenEndpoint
from graydns.ctl.admin_endpoint import AdminLogin
from graydns.listen.tls_context import TlsContext
from graydns.model.errors import ConfigError
from graydns.model.transport import TLS
from graydns.model.users import DUMMY_USER, ScryptHash
from tests.admin.memory import MemoryAudit, MemoryControl
from tests.admin.running import PASSWORD, quick_user, reactor, running, write
from tests.coroutines import on_reactor
from tests.listen.certificates import issue
from tests.listen.running import until

LOOPBACK = (x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1")))


def tls_address(folder: Path, client_ca: Path | None = None) -> tuple[ListenEndpoint, TlsContext, str]:
    """Any port of 127.0.0.1, its certificate, and the file of the CA."""
    server = issue(folder, "server", LOOPBACK)
    context = TlsContext(server.certificate_file, server.key_file, client_ca)
    return ListenEndpoint(TLS, "127.0.0.1", 0), context, str(server.certificate_file)


@on_reactor
async def test_the_right_name_and_password_give_the_role_of_the_user(tmp_path: Path) -> None:
    """As the users file has it."""
    write(tmp_path, alice=quick_user("operator", "t-shop"))
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        who = await admin.call("whoami", AdminLogin("alice", PASSWORD, ca))
        assert who == {"actor": "user:alice", "role": "operator", "tenant": "t-shop", "origin": "tls:127.0.0.1"}


@pytest.mark.parametrize(
    ("name", "password", "expected"),
    [
        ("alice", "wrong horse", "wrong name or password"),
        ("nobody", PASSWORD, "wrong name or password"),
        ("alice", "", "wrong name or password"),
        ("alice", "x" * 4000, "wrong name or password"),
        ("alice", None, "a name and a password are needed here"),
        (None, None, "a name and a password are needed here"),
    ],
)
@on_reactor
async def test_a_wrong_name_or_password_is_refused(
    name: str | None, password: str | None, expected: str, tmp_path: Path
) -> None:
    """Both with the same text; there is no anonymous access."""
    write(tmp_path, alice=quick_user("admin"))
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        assert await admin.refusal("whoami", AdminLogin(name, password, ca)) == expected


@on_reactor
async def test_wrong_passwords_delay_the_next_login(tmp_path: Path) -> None:
    """After three wrong ones the right one is refused too, until the delay is over."""
    write(tmp_path, alice=quick_user("admin"))
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        for _ in range(3):
            await admin.refusal("whoami", AdminLogin("alice", "wrong horse", ca))
        right = AdminLogin("alice", PASSWORD, ca)
        assert await admin.refusal("whoami", right) == "too many wrong passwords; try again in 1 s"
        admin.clock.advance(1.0)
        assert (await admin.call("whoami", right))["role"] == "admin"


@on_reactor
async def test_the_users_file_is_read_at_each_login(tmp_path: Path) -> None:
    """A removed user cannot log in, without a restart; without the file nobody can."""
    write(tmp_path, alice=quick_user("admin"))
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        alice = AdminLogin("alice", PASSWORD, ca)
        assert await admin.call("whoami", alice)
        write(tmp_path, bob=quick_user("admin"))
        assert await admin.refusal("whoami", alice) == "wrong name or password"
        (tmp_path / "users.json").unlink()
        assert await admin.refusal("whoami", alice) == "wrong name or password"


def test_a_users_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """So is a folder, a FIFO, and a client to a file that does not exist."""
    write(tmp_path, alice=quick_user("admin"))
    path = tmp_path / "users.json"
    assert list(load_users(path)) == ["alice"]
    path.chmod(0o620)
    with pytest.raises(ValueError, match="owner"):
        load_users(path)
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(ValueError, match="owner"):
        load_users(tmp_path / "fifo")
    with pytest.raises(OSError, match="Is a directory"):
        load_users(tmp_path)
    (tmp_path / "client").symlink_to("nowhere")
    with pytest.raises(OSError, match="No such file"):
        load_users(tmp_path / "client")


@on_reactor
async def test_unknown_names_take_as_long_as_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash with the full costs is computed for either."""
    hashed: list[tuple[int, str]] = []

    def matches(scrypt: ScryptHash, password: str) -> bool:
        hashed.append((scrypt.n * scrypt.r * scrypt.p, password))
        return False

    monkeypatch.setattr(ScryptHash, "matches", matches)
    write(tmp_path, alice=DUMMY_USER)
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        for name in ("alice", "mallory"):
            await admin.refusal("whoami", AdminLogin(name, "guess", ca))
    assert len(hashed) == 2
    assert hashed[0] == hashed[1]


@on_reactor
async def test_passwords_are_hashed_in_another_thread(tmp_path: Path) -> None:
    """The reactor runs other calls meanwhile."""
    write(tmp_path, alice=DUMMY_USER)
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        turns = 0

        def count() -> None:
            nonlocal turns
            turns += 1
            pending[0] = reactor.callLater(0.005, count)

        pending = [reactor.callLater(0, count)]
        began = time.process_time()
        await admin.refusal("whoami", AdminLogin("mallory", "guess", ca))
        assert time.process_time() > began
        pending[0].cancel()
        assert turns >= 5


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL")  # Twisted's own doing
@on_reactor
async def test_a_client_certificate_is_part_of_the_origin(tmp_path: Path) -> None:
    """With a client CA; the password is still needed."""
    authority = issue(tmp_path, "authority", authority=True)
    shown = issue(tmp_path, "laptop-7", issuer=authority)
    write(tmp_path, alice=quick_user("admin"))
    address, tls, ca = tls_address(tmp_path, authority.certificate_file)
    files = (str(shown.certificate_file), str(shown.key_file))
    async with running(address, tmp_path, tls=tls) as admin:
        who = await admin.call("whoami", AdminLogin("alice", PASSWORD, ca, *files))
        assert who["origin"].startswith("tls:127.0.0.1 tls:")
        assert "laptop-7" in who["origin"]
        assert await admin.refusal("whoami", AdminLogin("alice", "wrong", ca, *files)) == "wrong name or password"


@on_reactor
async def test_the_client_sends_no_password_to_an_unverified_server(tmp_path: Path) -> None:
    """It refuses a certificate that no CA of its own has signed."""
    write(tmp_path, alice=quick_user("admin"))
    address, tls, _ = tls_address(tmp_path)
    other = issue(tmp_path, "other", LOOPBACK)
    async with running(address, tmp_path, tls=tls) as admin:
        expected = await admin.refusal("whoami", AdminLogin("alice", PASSWORD, str(other.certificate_file)))
        assert "is its certificate signed by a CA in --ca?" in expected


@on_reactor
async def test_unauthenticated_connections_are_limited_per_address(tmp_path: Path) -> None:
    """A new one closes the oldest, so they keep no operator out; all are closed after the login time-out."""
    write(tmp_path, alice=quick_user("admin"))
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls, limits=AdminLimits(connections=8, unauthenticated=3)) as admin:
        bound = admin.service.bound_address
        assert isinstance(bound, ListenEndpoint)
        held = [socket.create_connection((bound.host, bound.port)) for _ in range(3)]
        await until(lambda: admin.connections == 3)
        assert await admin.call("whoami", AdminLogin("alice", PASSWORD, ca))
        await until(lambda: admin.connections <= 3)
        admin.clock.advance(AdminLimits().login_timeout)
        await until(lambda: admin.connections == 0)
        for client in held:
            client.close()


def test_a_tls_address_without_a_certificate_is_an_error(tmp_path: Path) -> None:
    """Of the configuration."""
    with pytest.raises(ConfigError, match="certificate"):
        AdminService(
            ListenEndpoint(TLS, "127.0.0.1", 0),
            MemoryControl(),
            MemoryAudit(),
            reactor,
            users=tmp_path / "users.json",
        )
