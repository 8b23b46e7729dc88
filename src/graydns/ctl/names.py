"""Names: what the server has, for completion; asked for rarely."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from graydns.ctl.tool import Tool

#: Seconds for which names are believed.
FRESH = 10.0


@define(eq=False)
class Names:
    """Names of the server that *call* reaches; nothing is offered while it cannot be reached."""

    call: Callable[[str], Any] = field(repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _kept: dict[str, tuple[float, list[dict[str, Any]]]] = field(init=False, factory=dict)

    def of(self, what: str) -> list[str]:
        """All names of *what*: ``service``, ``zone`` or ``tenant``."""
        if what == "service":
            return [row["name"] for row in self._rows("services")]
        if what == "zone":
            return [row["zone"] for row in self._rows("zones")]
        return sorted({row["tenant"] for row in self._rows("zones")})

    def versions(self, service: str) -> list[str]:
        """The versions of *service*."""
        return [version for row in self._rows("services") if row["name"] == service for version in row["versions"]]

    def _rows(self, command: str) -> list[dict[str, Any]]:
        now = self.clock()
        at, rows = self._kept.get(command, (-FRESH, []))
        if now - at >= FRESH:
            try:
                rows = self.call(command)
            except Exception:
                rows = []  # who types is not to be bothered with what went wrong beside it
            self._kept[command] = now, rows
        return rows


def names_of(tool: Tool) -> Names:
    """The names that *tool* reaches."""
    if tool.names is None:
        tool.names = Names(tool.call)
    return tool.names
