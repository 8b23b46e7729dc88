"""Accepting: a few connections in each turn of the reactor, however many wait, so that queries go between.

The unix socket: made with mode 0600, removed when it is ours or its server is dead, left alone otherwise.
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

#: Connections taken in a turn, some 50 µs each. Twisted takes a hundred, and more and more while they keep coming.
MAX_ACCEPTS_PER_TURN = 4


class AcceptLimitedPort(TcpPort):
    """A port, or with another port after it that one, that takes MAX_ACCEPTS_PER_TURN connections a turn."""

    def doRead(self) -> None:
        """Take what waits, up to MAX_ACCEPTS_PER_TURN."""
        self.numberAccepts = MAX_ACCEPTS_PER_TURN
        super().doRead()


SOCKET_MODE = 0o600
LISTEN_BACKLOG = 128

#: Octets of a path that fit into an address (sun_path of unix(7), less its final NUL).
MAX_SOCKET_PATH_BYTES = 107


class UnixSocketPort(AcceptLimitedPort, UnixPort):
    """Twisted's, but it removes only the socket that it made itself."""

    _inode: tuple[int, int] | None = None

    def startListening(self) -> None:
        """Bind and listen. The mask keeps others out from the first moment on."""
        mask = os.umask(0o777 & ~SOCKET_MODE)
        try:
            super().startListening()
        finally:
            os.umask(mask)
        self._inode = _read_inode(self._bindPath)

    def connectionLost(self, reason: Failure) -> None:
        """Remove the socket."""
        if self._inode is not None and _read_inode(self._bindPath) == self._inode:
            os.unlink(self._bindPath)
        TcpPort.connectionLost(self, reason)


def listen_unix(path: Path, factory: Any, reactor: Any) -> UnixSocketPort:
    """Listen at *path*. Raises ConfigError, and twisted's CannotListenError."""
    prepare_socket_path(path)
    port = UnixSocketPort(os.fsencode(path), factory, LISTEN_BACKLOG, SOCKET_MODE, reactor)
    port.startListening()
    return port


def prepare_socket_path(path: Path) -> None:
    """Make sure that a socket can be bound at *path*: make its folder, remove what a dead server left.

    Raises ConfigError if a server answers there, or if something other than a socket is there, links included.
    """
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise _make_config_error(path, "too long", f"a path of at most {MAX_SOCKET_PATH_BYTES} octets")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            return
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise _make_config_error(path, "not a socket", "a place for a socket; it is not removed")
        if _is_served(path):
            raise _make_config_error(path, "another server answers there", "a socket that nobody serves")
        path.unlink()
    except OSError as error:
        raise _make_config_error(path, error.strerror or str(error), "a place for a socket") from error


def _is_served(path: Path) -> bool:
    """Whether somebody listens; one whose queue is full does too."""
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
