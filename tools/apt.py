"""Debian packages unpacked into a folder of ours, by any user, leaving the machine as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

#: Seconds that one run of apt-get or dpkg-deb may take, downloads included.
PATIENCE = 180

LIBRARY_FOLDERS = ("usr/lib/*-linux-gnu", "usr/lib/*-linux-gnu/*", "lib/*-linux-gnu")

WRAPPER = """\
#!/bin/sh
LD_LIBRARY_PATH={libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}} exec {program} "$@"
"""


class AptError(Exception):
    """A package could not be downloaded or unpacked; the text says why."""


@frozen
class Apt:
    """apt-get with state of its own under *folder*: package lists, archives, the unpacked tree, ``bin/``.

    The machine's list of sources and of installed packages is read, so that only what is missing is
    downloaded. Nothing is configured: no maintainer script runs and no service starts.
    """

    folder: Path

    @property
    def _lists(self) -> Path:
        return self.folder / "apt" / "lists"

    @property
    def _archives(self) -> Path:
        return self.folder / "apt" / "archives"

    def unpack(self, package: str, programs: Sequence[str]) -> None:
        """Download *package* with what it depends on, unpack it, put *programs* into ``bin/``. Raises AptError."""
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise AptError("this machine has no apt-get; install it by hand")
        self._update()
        for archive in self._download(package):
            run("dpkg-deb", "--extract", str(archive), str(self.folder / "root"))
            archive.unlink()
        for program in programs:
            self._expose(program)

    def _update(self) -> None:
        """Get the package lists once. A source that fails does not matter as long as another has the package."""
        if any(self._lists.glob("*Packages*")):
            return
        for place in (self._lists, self._archives):
            (place / "partial").mkdir(parents=True, exist_ok=True)
        try:
            run("apt-get", *self._options(), "update")
        except AptError:
            if not any(self._lists.glob("*Packages*")):
                raise

    def _download(self, package: str) -> list[Path]:
        run("apt-get", *self._options(), "--yes", "--no-install-recommends", "--download-only", "install", package)
        return sorted(self._archives.glob("*.deb"))

    def _options(self) -> Iterator[str]:
        for key, value in (
            ("Dir::State::Lists", self._lists),
            ("Dir::Cache", self.folder / "apt"),
            ("Dir::Cache::Archives", self._archives),
            ("Debug::NoLocking", "true"),
            ("APT::Sandbox::User", ""),
            ("Acquire::Retries", "2"),
        ):
            yield from ("-o", f"{key}={value}")

    def _expose(self, program: str) -> None:
        root = self.folder / "root"
        found = [path for place in ("usr/sbin", "usr/bin") if (path := root / place / program).is_file()]
        if not found:
            raise AptError(f"the package has no program {program}")
        libraries = [str(path) for pattern in LIBRARY_FOLDERS for path in root.glob(pattern) if path.is_dir()]
        wrapper = self.folder / "bin" / program
        wrapper.parent.mkdir(exist_ok=True)
        wrapper.write_text(WRAPPER.format(libraries=os.pathsep.join(libraries), program=found[0]))
        wrapper.chmod(0o755)


def run(*command: str) -> None:
    """Run *command* in silence. Raises AptError with the last line that it printed."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise AptError(f"{command[0]} did not end within {PATIENCE} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise AptError(lines[-1] if lines else f"{command[0]} ended with status {done.returncode}")
