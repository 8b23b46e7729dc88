"""Zone files: from a path to a Zone.

::

    load      blocking: small files here, large ones in a child process
      zonechild → parsed.parse → master.ZoneReader → collector.Collector → zonechecks
      parsed.read → authority.zone.build
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from graydns.authority.zone import Zone, build
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.name import to_text
from graydns.runtime.steps import run_steps
from graydns.sources.parsed import Parsed, parse, read
from graydns.sources.zonechild import command

#: Octets from which a file is read in a child process, whose memory goes back to the system at its end.
LARGE = 1 << 20


@frozen(eq=False)
class Loaded:
    """A zone with what its reload needs to know.

    *digest*: BLAKE2b-256 of all that was read. *files*: what was read, resolved. *warnings*: for the operator.
    """

    zone: Zone
    digest: bytes
    files: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


def load(path: Path, origin: bytes, folder: Path) -> Loaded:
    """The zone *origin*, from *path* and what that includes, all below *folder*. Raises ConfigError with all faults."""
    try:
        large = path.stat().st_size > LARGE
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    if not large:
        return run_steps(_loaded(parse(path, origin, folder)))
    with tempfile.TemporaryFile() as rows:
        child = subprocess.run(command(path, origin, folder), stdout=rows, stderr=subprocess.PIPE, check=False)
        if child.returncode != 0:
            raise _unreadable(path, _last_words(child.stderr))
        return run_steps(_received(rows))


def serial_warning(before: Loaded, after: Loaded) -> str | None:
    """What to tell the operator if the zone changed and its serial did not: secondaries and people go by it."""
    if before.digest == after.digest or before.zone.serial != after.zone.serial:
        return None
    return f"{to_text(after.zone.origin)}: changed, but its serial is still {after.zone.serial}"


def _received(rows: BinaryIO) -> Generator[None, None, Loaded]:
    """What a child wrote into *rows*."""
    rows.seek(0)
    return _loaded(read(rows))


def _loaded(parsed: Parsed) -> Generator[None, None, Loaded]:
    """Build the zone in steps. Raises ConfigError."""
    if parsed.faults:
        raise ConfigError(parsed.faults)
    zone = yield from build(parsed.origin, parsed.rows, count=parsed.count)
    return Loaded(zone, parsed.digest, parsed.files, parsed.warnings)


def _last_words(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "no word from the reading process")


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError([ConfigIssue((), why, "a readable zone file", str(path))])
