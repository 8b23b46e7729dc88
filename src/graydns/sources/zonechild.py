"""The child process that reads one zone: ``python -P -m graydns.sources.zonechild FILE ORIGIN FOLDER > ROWS``."""

from __future__ import annotations

import sys
from pathlib import Path

from graydns.model.name import from_text, to_text
from graydns.sources.parsed import parse, write


def command(path: Path, origin: bytes, folder: Path) -> list[str]:
    """The command line that reads *origin* from *path*. ``-P``: the working folder holds no modules of ours."""
    return [sys.executable, "-P", "-m", __name__, str(path), to_text(origin), str(folder)]


def main() -> None:
    """Read the zone that the command line names and write it to standard output."""
    path, origin, folder = sys.argv[1:]
    write(parse(Path(path), from_text(origin), Path(folder)), sys.stdout.buffer)


if __name__ == "__main__":
    main()
