"""UpstreamClient: asks upstream groups. It outlives reloads, for what it has learnt of servers does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.model.answer import Answer
from graydns.model.observe import Anomalies
from graydns.model.query import Query
from graydns.timing import Deadlines
from graydns.upstream.asking import Asking
from graydns.upstream.datagram import DatagramExchange
from graydns.upstream.entropy import Entropy
from graydns.upstream.exchange import Exchange
from graydns.upstream.group import UpstreamGroup
from graydns.upstream.plain import PlainExchange
from graydns.upstream.poll import make_poll
from graydns.upstream.reactor import Reactor, Readers
from graydns.upstream.reputation import Reputation
from graydns.upstream.request import make_request
from graydns.upstream.server import UDP, Server
from graydns.upstream.stream import StreamExchange, endpoint


@define(eq=False)
class UpstreamClient:
    """Questions to the servers of a group.

    *clock*: monotonic seconds. *anomalies*: is told of replies that do not fit and of servers that fail. *trust*:
    authorities for ``tls`` servers (an IOpenSSLTrustRoot), None = the system's.
    """

    reactor: Reactor = field(repr=False)
    clock: Callable[[], float] = field(repr=False)
    anomalies: Anomalies = field(repr=False)
    trust: Any = field(default=None, repr=False)
    _poll: Readers = field(init=False, repr=False)
    _entropy: Entropy = field(init=False, factory=Entropy, repr=False)
    _reputation: Reputation = field(init=False, factory=Reputation, repr=False)
    _rounds: dict[float, Deadlines[Asking]] = field(init=False, factory=dict, repr=False)
    _exchanges: dict[Server, Exchange] = field(init=False, factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        self._poll = make_poll(self.reactor)

    def ask(self, query: Query, group: UpstreamGroup) -> Deferred[Answer]:
        """What *group* says to *query*. Fails with UpstreamError; to cancel it closes every socket at once."""
        servers = self._reputation.arrange(group.servers, self.clock())
        return Asking(self, make_request(query, group), servers).result

    def exchange(self, server: Server) -> Exchange:
        """How *server* is asked; made once."""
        try:
            return self._exchanges[server]
        except KeyError:
            made = self._exchanges[server] = self._make_exchange(server)
            return made

    def rounds(self, seconds: float) -> Deadlines[Asking]:
        """What lets an Asking go on after so many seconds; one for each length, of which there are few."""
        try:
            return self._rounds[seconds]
        except KeyError:
            made = self._rounds[seconds] = Deadlines(self.reactor, seconds, Asking.go_on)
            return made

    @property
    def waiting(self) -> int:
        """Questions that have no answer yet."""
        return sum(map(len, self._rounds.values()))

    def suspects(self, server: Server) -> bool:
        """Whether *server* lately failed, so that it is asked after the others of its group."""
        return self._reputation.suspects(server, self.clock())

    def answered(self, server: Server) -> None:
        """*server* was of use: it keeps its place."""
        self._reputation.clear(server)

    def failed(self, server: Server, why: str) -> None:
        """*server* was of none: it is asked last for a while."""
        self.anomalies.note(server.packed, "upstream-failure", why)
        self._reputation.suspect(server, self.clock())

    def _make_exchange(self, server: Server) -> Exchange:
        stream = StreamExchange(server, endpoint(self.reactor, server, self.trust), self._entropy)
        if server.transport != UDP:
            return stream
        return PlainExchange(DatagramExchange(self._poll, server, self._entropy, self.anomalies), stream)
