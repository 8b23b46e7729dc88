"""The head in Consul's KV, below the prefix of policies: a copy that cannot be altered on this machine."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from attrs import field, frozen

from txconsul import ConsulClient
from txconsul.reply import ConsulNotFoundError


@frozen
class KvHeadPublisher:
    """Publishes to ``<prefix>audit/<node>``."""

    consul: ConsulClient = field(repr=False)
    prefix: str
    node: str

    async def publish(self, head: bytes) -> bytes | None:
        """Write the text of a *head*; returns the text before, None = there was none. Raises ConsulError."""
        path = f"kv/{self.prefix}audit/{quote(self.node, safe='')}"
        before = None
        with suppress(ConsulNotFoundError):
            before = (await self.consul.request("GET", path, {"raw": True})).body
        await self.consul.request("PUT", path, None, head)
        return before
