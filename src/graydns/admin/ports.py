"""The listening sockets of the admin interface, on TCP and on a Unix socket.

They accept a few connections in each turn of the reactor, so that DNS queries are answered between.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

from twisted.python.failure import Failure

from graydns.model.errors import ConfigError, ConfigIssue
from graydns.runtime.twisted_types import TcpPort, UnixPort

#: Connections accepted in one turn of the reactor, about 50 µs each. Twisted accepts 100, and more while more arrive.
MAX_ACCEPTS_PER_TURN = 4


class AcceptLimitedPort(TcpPort):
    """A TCP port that accepts MAX_ACCEPTS_PER_TURN connections a turn of the reactor; also a mix-in for UnixPort."""

    def doRead(self) -> None:
        """Accept waiting connections, at most MAX_ACCEPTS_PER_TURN."""
        self.numberAccepts = MAX_ACCEPTS_PER_TURN
        super().doRead()


SOCKET_MODE = 0o600
LISTEN_BACKLOG = 128

#: Bytes of a path that fit into a socket address: sun_path of unix(7) without its final NUL.
MAX_SOCKET_PATH_BYTES = 107


class UnixSocketPort(AcceptLimitedPort, UnixPort):
    """Twisted's UnixPort, except that it removes the socket file only if it created it."""

    _inode: tuple[int, int] | None = None

    def startListening(self) -> None:
        """Bind and listen. The umask gives the socket file its mode at its creation."""
        mask = os.umask(0o777 & ~SOCKET_MODE)
        try:
            super().startListening()
        finally:
            os.umask(mask)
        self._inode = _read_inode(self._bindPath)

    def connectionLost(self, reason: Failure) -> None:
        """Remove the socket file if it is still the one that was created."""
        if self._inode is not None and _read_inode(self._bindPath) == self._inode:
            os.unlink(self._bindPath)
        TcpPort.connectionLost(self, reason)


def listen_unix(path: Path, factory: Any, reactor: Any) -> UnixSocketPort:
    """Listen on a Unix socket at *path*. Raises ConfigError and CannotListenError."""
    prepare_socket_path(path)
    port = UnixSocketPort(os.fsencode(path), factory, LISTEN_BACKLOG, SOCKET_MODE, reactor)
    port.startListening()
    return port


def prepare_socket_path(path: Path) -> None:
    """Make sure that a socket can be bound at *path*: create its folder, and remove a socket that no server listens on.

    Raises ConfigError if a server listens there, or if *path* is anything but a socket, a symbolic link included.
    """
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise _make_config_error(path, "too long", f"a path of at most {MAX_SOCKET_PATH_BYTES} octets")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            return
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise _make_config_error(path, "not a socket", "a path for a socket; nothing else there is removed")
        if _is_served(path):
            raise _make_config_error(path, "another server answers there", "a socket that no server listens on")
        path.unlink()
    except OSError as error:
        raise _make_config_error(path, error.strerror or str(error), "a path for a socket") from error


def _is_served(path: Path) -> bool:
    """Whether a server listens at *path*, also if its backlog is full."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True
    return True


def _read_inode(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_config_error(path: Path, found: str, expected: str) -> ConfigError:
    return ConfigError([ConfigIssue(("admin",), f"unix:{path} ({found})", expected)])
