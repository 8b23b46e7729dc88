"""The Unix socket as a file, and the TCP port."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from graydns.admin.admin_service import MAX_SOCKET_PATH_BYTES, AdminService, prepare_socket_path
from graydns.config.address import ListenEndpoint, UnixSocket
from graydns.model.errors import ConfigError
from tests.admin.memory import MemoryAudit, MemoryControl
from tests.admin.running import reactor, running, unix
from tests.admin.test_tls import tls_address
from tests.coroutines import on_reactor


@on_reactor
async def test_the_socket_has_mode_0600(tmp_path: Path) -> None:
    """Whatever the umask is; its folder is created, and it is removed when the server stops."""
    address = UnixSocket(tmp_path / "new" / "admin.sock")
    mask = os.umask(0)
    try:
        async with running(address, tmp_path):
            assert stat.S_IMODE(address.path.stat().st_mode) == 0o600
            assert os.umask(0) == 0
    finally:
        os.umask(mask)
    assert not address.path.exists()


@on_reactor
async def test_a_socket_without_a_server_is_replaced(tmp_path: Path) -> None:
    """A socket file on which nobody listens is no error."""
    address = unix(tmp_path)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(address.path))
    async with running(address, tmp_path) as admin:
        assert await admin.call("whoami")


@on_reactor
async def test_a_socket_with_a_server_is_an_error(tmp_path: Path) -> None:
    """Also if that server is too busy to accept; it keeps its socket."""
    address = unix(tmp_path)
    async with running(address, tmp_path) as admin:
        with pytest.raises(ConfigError, match="another server answers there"):
            async with running(address, tmp_path):
                raise AssertionError("started")
        assert await admin.call("whoami")
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(address.path))
        busy.listen(0)
        waiting.connect(str(address.path))
        with pytest.raises(ConfigError, match="another server answers there"):
            prepare_socket_path(address.path)


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["file", "folder", "client", "client to a dead socket", "fifo"])
def test_anything_but_a_socket_is_an_error_and_stays(kind: str, tmp_path: Path) -> None:
    """Also a symbolic client to a socket."""
    path = tmp_path / "admin.sock"
    match kind:
        case "file":
            path.write_text("mine")
        case "folder":
            path.mkdir()
        case "client":
            path.symlink_to("nowhere")
        case "client to a dead socket":
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(tmp_path / "dead"))
            path.symlink_to("dead")
        case "fifo":
            os.mkfifo(path)
    before = path.lstat()
    with pytest.raises(ConfigError, match="not a socket"):
        prepare_socket_path(path)
    assert path.lstat().st_ino == before.st_ino


def test_a_path_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    """It is found before the socket is bound."""
    with pytest.raises(ConfigError, match="at most 107 octets"):
        prepare_socket_path(tmp_path / ("x" * MAX_SOCKET_PATH_BYTES))


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    """With its reason."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="File exists"):
        prepare_socket_path(tmp_path / "file" / "admin.sock")


@on_reactor
async def test_stopping_removes_only_the_own_socket(tmp_path: Path) -> None:
    """A file that has replaced it stays."""
    address = unix(tmp_path)
    async with running(address, tmp_path):
        address.path.unlink()
        address.path.write_text("mine")
    assert address.path.read_text() == "mine"
    async with running(UnixSocket(tmp_path / "other.sock"), tmp_path):
        (tmp_path / "other.sock").unlink()


@on_reactor
async def test_a_tcp_port_in_use_is_an_error(tmp_path: Path) -> None:
    """With its reason; before, the service has no bound address."""
    address, tls, _ = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        where = admin.service.bound_address
        assert isinstance(where, ListenEndpoint)
        second = AdminService(where, MemoryControl(), MemoryAudit(), reactor, users=tmp_path / "u", tls=tls)
        assert second.bound_address is None
        with pytest.raises(ConfigError, match="Address already in use"):
            second.privilegedStartService()
