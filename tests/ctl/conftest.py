"""A tiny server with an admin interface, for graydnsctl to talk to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tools.process import start
from tools.programs import GRAYDNSCTL

ROOT = Path(__file__).parents[2]


@frozen
class Ran:
    """The outcome of one command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@frozen
class Server:
    """A served admin interface; *folder*: what it is in, with the socket where graydnsctl looks for it."""

    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "var/admin.sock"

    def ctl(self, *words: str, typed: str = "", variables: Mapping[str, str] | None = None) -> Ran:
        """Run graydnsctl in the folder."""
        done = subprocess.run(
            [GRAYDNSCTL, *words],
            cwd=self.folder,
            input=typed,
            env={**os.environ, **(variables or {})},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def server(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The tiny server of tests/admin, in a process of its own."""
    made = Server(tmp_path_factory.mktemp("ctl"))
    (made.folder / "var").mkdir()
    command = [sys.executable, "-m", "tests.admin.serve", str(made.socket)]
    process = start(command, made.folder, environment={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"})
    try:
        process.wait_until(lambda: answers(made.socket))
        yield made
    finally:
        process.stop()


def answers(path: Path) -> bool:
    """Whether a server listens there."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
