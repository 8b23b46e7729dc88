"""Real DNS software, and Consul, that tests and benchmarks run beside graydns: where it is, and how to get it.

A peer is looked for on PATH, in the folders where daemons are installed (an ordinary user's PATH often leaves them
out), and in ``.peers/bin``. ``python -m tools.peers`` fills ``.peers/`` with what is missing, through apt, without
installing anything: no root, no service started, and removing the folder removes all of it.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from attrs import evolve

from tools.apt import Apt, AptError

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".peers"

#: Program -> the Debian package that has it.
PACKAGES = {
    "consul": "consul",
    "delv": "bind9-dnsutils",
    "dig": "bind9-dnsutils",
    "dnsdist": "dnsdist",
    "dnsperf": "dnsperf",
    "kdig": "knot-dnsutils",
    "knotd": "knot",
    "named": "bind9",
    "unbound": "unbound",
}

#: Package -> the release of Debian that has it, for those that the later ones lack. Consul is 1.8.7 there.
RELEASES = {"consul": "bullseye"}


class MissingPeer(Exception):
    """The program is nowhere on this machine; the text says how to get it."""


def search_path() -> str:
    """The folders in which peers are looked for, as the value of a PATH variable."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", str(FOLDER / "bin")))


def find(program: str) -> str:
    """The absolute path of *program*. Raises MissingPeer."""
    if (path := shutil.which(program, path=search_path())) is None:
        package = PACKAGES.get(program, program)
        raise MissingPeer(f"{program} is not installed (Debian package {package}; `make peers` tries to get it)")
    return path


def is_present(program: str) -> bool:
    """Whether *program* can be run here."""
    return shutil.which(program, path=search_path()) is not None


def required() -> bool:
    """Whether a missing peer is an error: in continuous integration (``CI=true``), not on a laptop."""
    return os.environ.get("CI") == "true"


def fetch(apt: Apt) -> list[str]:
    """Unpack the packages of all missing programs; what could not be had, a sentence each."""
    failures = []
    for package in sorted({package for program, package in PACKAGES.items() if not is_present(program)}):
        programs = [program for program, holder in PACKAGES.items() if holder == package]
        try:
            evolve(apt, release=RELEASES.get(package)).unpack(package, programs)
        except AptError as error:
            failures.append(f"{package} ({', '.join(programs)}): {error}")
    return failures


def main() -> int:
    """Get what is missing; exit status 1 only where a missing peer is an error."""
    if all(is_present(program) for program in PACKAGES):
        return 0
    failures = fetch(Apt(FOLDER))
    for failure in failures:
        print(f"peers: cannot get {failure}", file=sys.stderr)
    if failures and not required():
        print("peers: tests that need them will be skipped", file=sys.stderr)
    return int(bool(failures) and required())


if __name__ == "__main__":
    sys.exit(main())
