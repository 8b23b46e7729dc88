"""Incoming: a text that a client sends in several calls, as one request is small (``broker.AdminLimits``)."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from graydns.admin.control import Plain
from graydns.admin.security import Refused

#: Characters of a text. A policy that Consul takes in one transaction is shorter.
MOST = 512 << 10


@define(eq=False)
class Incoming:
    """The one text of a connection that is on its way."""

    _parts: list[str] = field(init=False, factory=list)
    _size: int = field(init=False, default=0)

    def add(self, parts: Iterable[str], first: bool) -> Plain:
        """Put *parts* behind what is there, or with *first* in its place; the characters that are there now.

        Raises Refused past MOST, and then nothing is there.
        """
        if first:
            self.take()
        self._parts += parts
        self._size = sum(map(len, self._parts))
        if self._size > MOST:
            self.take()
            raise Refused(f"more than {MOST} characters")
        return {"characters": self._size}

    def take(self) -> str:
        """The whole text, which is gone then."""
        text = "".join(self._parts)
        self._parts, self._size = [], 0
        return text
