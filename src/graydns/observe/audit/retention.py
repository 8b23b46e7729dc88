"""Retention: which full files stay. Nothing is removed before a line in the chain says that it may be.

The first line of each file tells the oldest line that was kept when it was written (``marks.kept``); so whoever removes
a file that is to be kept, and has not the key, is found by the chain alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from graydns.observe.audit.files import full_files
from graydns.observe.audit.marks import Begin, files_gone, kept, read_begin
from graydns.observe.audit.seal import Seal


@define
class Retention:
    """Of the log at *path*: *keep* full files. *since*: from this line on all is there, or a line tells what is not."""

    path: Path
    seal: Seal = field(repr=False)
    keep: Callable[[], int] = field(repr=False)
    since: int

    def begin(self, fields: bytes, number: int) -> tuple[int, list[bytes]]:
        """What ``since`` is once the first line, number *number*, of a new file is written, which would have *fields*,
        and the fields of the lines to write, with the mark. Raises OSError.
        """
        files = [path for _, path in full_files(self.path)]
        oldest, stays = (self._begin(files[0]), self._begin(files[-self.keep() :][0])) if files else (None, None)
        first = number if not files else self.since if oldest is None else oldest.number
        # A file that is not as it was written says nothing: ``verify`` tells of it for as long as it is there.
        since = max(self.since, first if stays is None or stays.kept is None else stays.number)
        lines = [fields]
        if first > self.since:
            lines.insert(0, files_gone(self.since, first - 1))
        lines[0] = kept(since, lines[0])
        return since, lines

    def tidy(self) -> None:
        """Remove full files past those that are kept, the oldest first. What cannot be removed stays, and what is
        younger, so that there is no gap."""
        with suppress(OSError):
            for _, path in full_files(self.path)[: -self.keep()]:
                path.unlink()

    def _begin(self, path: Path) -> Begin | None:
        with path.open("rb") as file:
            return read_begin(file.readline().rstrip(b"\n"), self.seal)
