"""Source: where the validator gets what it needs from."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from graydns.model.answer import Answer

T = TypeVar("T")


class Source(Protocol):
    """Asks, and has work done, for the validation of one answer."""

    async def ask(self, name: bytes, rdtype: int) -> Answer:
        """The records, with their signatures and unvalidated (DO and CD). Raises UpstreamError."""

    def forget(self, name: bytes, rdtype: int) -> None:
        """What was given for this question is bogus: the next time it is to be asked for anew."""

    async def run(self, work: Callable[[], T]) -> T:
        """What *work* gives or raises, done where it keeps nobody waiting. Raises Overloaded."""

    async def share(self, name: bytes, find: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What *find* gives or raises; done once for all who want it of *name* at a time, and of the same Zones."""
