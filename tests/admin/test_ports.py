"""The unix socket as a file."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from graydns.admin.admin_service import AdminService
from graydns.admin.ports import MAX_SOCKET_PATH_BYTES, prepare_socket_path
from graydns.config.address import ListenEndpoint, UnixSocket
from graydns.model.errors import ConfigError
from tests.admin.memory import MemoryAudit, MemoryControl
from tests.admin.running import reactor, running, unix
from tests.admin.test_tls import tls_place
from tests.coroutines import on_reactor


@on_reactor
async def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    """Its mode is 0600, whatever the mask, and the folder is made if need be; it goes when the server does."""
    place = UnixSocket(tmp_path / "new" / "admin.sock")
    mask = os.umask(0)
    try:
        async with running(place, tmp_path):
            assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
            assert os.umask(0) == 0
    finally:
        os.umask(mask)
    assert not place.path.exists()


@on_reactor
async def test_what_a_dead_server_left_is_replaced(tmp_path: Path) -> None:
    """A socket that nobody listens on is in nobody's way."""
    place = unix(tmp_path)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place.path))
    async with running(place, tmp_path) as admin:
        assert await admin.call("whoami")


@on_reactor
async def test_a_live_server_is_left_alone(tmp_path: Path) -> None:
    """A second server does not start, even if the first is too busy to accept, and the first goes on."""
    place = unix(tmp_path)
    async with running(place, tmp_path) as admin:
        with pytest.raises(ConfigError, match="another server answers there"):
            async with running(place, tmp_path):
                raise AssertionError("started")
        assert await admin.call("whoami")
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(place.path))
        busy.listen(0)
        waiting.connect(str(place.path))
        with pytest.raises(ConfigError, match="another server answers there"):
            prepare_socket_path(place.path)


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["file", "folder", "link", "link to a dead socket", "fifo"])
def test_nothing_else_is_removed(kind: str, tmp_path: Path) -> None:
    """Whatever is there and is no socket stays, links to sockets included, and is an error."""
    path = tmp_path / "admin.sock"
    match kind:
        case "file":
            path.write_text("mine")
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to("nowhere")
        case "link to a dead socket":
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(tmp_path / "dead"))
            path.symlink_to("dead")
        case "fifo":
            os.mkfifo(path)
    before = path.lstat()
    with pytest.raises(ConfigError, match="not a socket"):
        prepare_socket_path(path)
    assert path.lstat().st_ino == before.st_ino


def test_a_path_has_a_length(tmp_path: Path) -> None:
    """A path that no address can hold is told before it is tried."""
    with pytest.raises(ConfigError, match="at most 107 octets"):
        prepare_socket_path(tmp_path / ("x" * MAX_SOCKET_PATH_BYTES))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """A file where a folder should be is an error with its reason."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="File exists"):
        prepare_socket_path(tmp_path / "file" / "admin.sock")


@on_reactor
async def test_what_was_put_in_its_place_stays(tmp_path: Path) -> None:
    """A server that ends removes its own socket and not a file that took its place."""
    place = unix(tmp_path)
    async with running(place, tmp_path):
        place.path.unlink()
        place.path.write_text("mine")
    assert place.path.read_text() == "mine"
    async with running(UnixSocket(tmp_path / "other.sock"), tmp_path):
        (tmp_path / "other.sock").unlink()


@on_reactor
async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """A TCP port that cannot be had is an error with its reason, and the service can be asked where it is otherwise."""
    place, tls, _ = tls_place(tmp_path)
    async with running(place, tmp_path, tls=tls) as admin:
        where = admin.service.bound_address
        assert isinstance(where, ListenEndpoint)
        second = AdminService(where, MemoryControl(), MemoryAudit(), reactor, users=tmp_path / "u", tls=tls)
        assert second.bound_address is None
        with pytest.raises(ConfigError, match="Address already in use"):
            second.privilegedStartService()
