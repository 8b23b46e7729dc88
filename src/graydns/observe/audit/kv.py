"""The Head in Consul's KV, below the prefix of policies: a copy that nobody on this machine can take back unseen."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

from attrs import field, frozen

from graydns.observe.audit.heads import read_head, show_head
from graydns.observe.audit.seal import Head
from txconsul import Consul
from txconsul.errors import NotFound


@frozen
class KvHead:
    """At ``<prefix>audit/<node>``. *wall*: Unix seconds."""

    consul: Consul = field(repr=False)
    prefix: str
    node: str
    wall: Callable[[], float] = field(default=time.time, repr=False)

    async def publish(self, head: Head) -> Head | None:
        """Put *head* there; what was there before, None = nothing that can be read. Raises ConsulError."""
        path = f"kv/{self.prefix}audit/{quote(self.node, safe='')}"
        before = None
        with suppress(NotFound, ValueError):
            before = read_head((await self.consul.request("GET", path, {"raw": True})).body)
        await self.consul.request("PUT", path, None, show_head(head, self.wall()))
        return before
