"""UpstreamClient: asks upstream groups. It outlives reloads, for what it has learnt of servers does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.model.answer import Answer
from graydns.model.query import AnomalyRecorder, Query
from graydns.runtime.timing import Deadlines
from graydns.upstream.epoll import FDSet, UpstreamReactor, make_fd_set
from graydns.upstream.exchange import EntropyPool, Exchange
from graydns.upstream.server_groups import ServerReputation, UpstreamGroup, UpstreamServer
from graydns.upstream.stream_exchange import StreamExchange
from graydns.upstream.udp_exchange import TcpFallbackExchange, UdpExchange
from graydns.upstream.upstream_query import UpstreamQuery
from graydns.upstream.upstream_request import make_request


@define(eq=False)
class UpstreamClient:
    """Questions to the servers of a group.

    *clock*: monotonic seconds. *anomalies*: counts replies that do not fit and servers that fail. *trust_root*:
    authorities for ``tls`` servers (an IOpenSSLTrustRoot), None = the system's.
    """

    reactor: UpstreamReactor = field(repr=False)
    clock: Callable[[], float] = field(repr=False)
    anomalies: AnomalyRecorder = field(repr=False)
    trust_root: Any = field(default=None, repr=False)
    _poll: FDSet = field(init=False, repr=False)
    _entropy: EntropyPool = field(init=False, factory=EntropyPool, repr=False)
    _reputation: ServerReputation = field(init=False, factory=ServerReputation, repr=False)
    _rounds: dict[float, Deadlines[UpstreamQuery]] = field(init=False, factory=dict, repr=False)
    _exchanges: dict[UpstreamServer, Exchange] = field(init=False, factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        self._poll = make_fd_set(self.reactor)

    def ask(self, query: Query, group: UpstreamGroup) -> Deferred[Answer]:
        """What *group* says to *query*. Fails with UpstreamError; to cancel it closes every socket at once."""
        servers = self._reputation.order(group.servers, self.clock())
        return UpstreamQuery(self, make_request(query, group), servers).result

    def find_exchange(self, server: UpstreamServer) -> Exchange:
        """How *server* is asked; made once."""
        try:
            return self._exchanges[server]
        except KeyError:
            made = self._exchanges[server] = self._make_exchange(server)
            return made

    def round_timers(self, seconds: float) -> Deadlines[UpstreamQuery]:
        """What lets an UpstreamQuery go on after so many seconds; one for each length, of which there are few."""
        try:
            return self._rounds[seconds]
        except KeyError:
            made = self._rounds[seconds] = Deadlines(self.reactor, seconds, UpstreamQuery.next_round)
            return made

    @property
    def pending(self) -> int:
        """Questions that have no answer yet."""
        return sum(map(len, self._rounds.values()))

    def is_suspect(self, server: UpstreamServer) -> bool:
        """Whether *server* lately failed, so that it is asked after the others of its group."""
        return self._reputation.is_suspect(server, self.clock())

    def record_success(self, server: UpstreamServer) -> None:
        """*server* was of use: it keeps its place."""
        self._reputation.clear(server)

    def record_failure(self, server: UpstreamServer, why: str) -> None:
        """*server* was of none: it is asked last for a while."""
        self.anomalies.note(server.packed, "upstream-failure", why)
        self._reputation.suspect(server, self.clock())

    def _make_exchange(self, server: UpstreamServer) -> Exchange:
        stream = StreamExchange(self.reactor, server, self._entropy, self.trust_root)
        if not server.transport.is_datagram:
            return stream
        return TcpFallbackExchange(UdpExchange(self._poll, server, self._entropy, self.anomalies), stream)
