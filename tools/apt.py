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

#: Where Debian keeps the keys of its archive; without the file apt looks among those that it trusts anyway.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

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

    With a *release*, packages come from that release of Debian instead, out of the archive that the machine uses for
    its own, and alone: what they depend on is of another age and has to be there.
    """

    folder: Path
    release: str | None = None

    @property
    def _state(self) -> Path:
        return self.folder / "apt" / (self.release or "")

    @property
    def _lists(self) -> Path:
        return self._state / "lists"

    @property
    def _archives(self) -> Path:
        return self._state / "archives"

    @property
    def _sources(self) -> Path:
        return self._state / "sources.list"

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
        if self.release is not None:
            self._sources.write_text(f"deb {signed_by()}{archive()} {self.release} main\n")
        try:
            run("apt-get", *self._options(), "update")
        except AptError:
            if not any(self._lists.glob("*Packages*")):
                raise

    def _download(self, package: str) -> list[Path]:
        if self.release is not None:
            run("apt-get", *self._options(), "download", package, folder=self._archives)
        else:
            run("apt-get", *self._options(), "--yes", "--no-install-recommends", "--download-only", "install", package)
        return sorted(self._archives.glob("*.deb"))

    def _options(self) -> Iterator[str]:
        for key, value in (
            ("Dir::State::Lists", self._lists),
            ("Dir::Cache", self._state),
            ("Dir::Cache::Archives", self._archives),
            ("Debug::NoLocking", "true"),
            ("APT::Sandbox::User", ""),
            ("Acquire::Retries", "2"),
        ):
            yield from ("-o", f"{key}={value}")
        if self.release is not None:
            yield from ("-o", f"Dir::Etc::SourceList={self._sources}", "-o", "Dir::Etc::SourceParts=-")

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


def archive() -> str:
    """The address of the Debian archive that this machine gets its own packages from. Raises AptError."""
    for line in run(
        "apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"
    ).splitlines():
        address, _, component = line.partition(" ")
        if component == "main" and address.rstrip("/").endswith("/debian"):
            return address
    raise AptError("no source of this machine is a Debian archive; install it by hand")


def signed_by() -> str:
    """The option of a line of sources that names the keys, with a blank behind it."""
    return f"[signed-by={KEYRING}] " if KEYRING.is_file() else ""


def run(*command: str, folder: Path | None = None) -> str:
    """Run *command* in silence, in *folder*; what it printed. Raises AptError with the last line of it."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False, cwd=folder
        )
    except subprocess.TimeoutExpired:
        raise AptError(f"{command[0]} did not end within {PATIENCE} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise AptError(lines[-1] if lines else f"{command[0]} ended with status {done.returncode}")
    return done.stdout
