"""Reputation: which servers to ask last, because they lately said nothing useful. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from graydns.upstream.server import Server

#: Seconds for which a server that failed is asked after the others.
SUSPECT_FOR = 10.0


@define(eq=False)
class Reputation:
    """Servers under suspicion, each until a monotonic time; holds no more than were ever configured."""

    _until: dict[Server, float] = field(init=False, factory=dict)

    def arrange(self, servers: Sequence[Server], now: float) -> Sequence[Server]:
        """*servers* in their order, those under suspicion moved to the end."""
        if not self._until:
            return servers
        return sorted(servers, key=lambda server: self._until.get(server, 0.0) > now)

    def suspects(self, server: Server, now: float) -> bool:
        """Whether *server* is asked after the others."""
        return self._until.get(server, 0.0) > now

    def suspect(self, server: Server, now: float) -> None:
        """*server* kept silent or failed."""
        self._until[server] = now + SUSPECT_FOR

    def clear(self, server: Server) -> None:
        """*server* answered."""
        self._until.pop(server, None)
