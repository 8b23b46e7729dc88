"""Asking: one question put to the servers of a group until one answers usefully or the deadline passes.

Each server is asked when the one before it failed, or has not answered for a while; earlier ones stay open, so a
slow answer is as welcome as the first. ::

    0             deadline / 3         2 · deadline / 3        deadline
    ├─ first ─────┼─ second, or again ─┼─ third, or again ─────┤ UpstreamError
    └─ a useful answer ends all of it; so does the last server's failure
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from dns.edns import EDECode
from twisted.internet.defer import Deferred

from graydns.model.answer import Answer
from graydns.model.errors import UpstreamError
from graydns.runtime.timing import Deadlines
from graydns.upstream.exchange import Exchange, ExchangeError, PendingExchange
from graydns.upstream.reply_evaluation import ServerFailure, evaluate_reply
from graydns.upstream.server_groups import UpstreamServer
from graydns.upstream.upstream_request import RequestForm, UpstreamRequest

#: Parts of the deadline after each of which one more attempt is made.
ATTEMPT_ROUNDS = 3

#: Info codes of RFC 8914.
EDE_NO_REACHABLE_AUTHORITY, EDE_NETWORK_ERROR = EDECode.NO_REACHABLE_AUTHORITY, EDECode.NETWORK_ERROR


class QueryContext(Protocol):
    """What an UpstreamQuery needs of the UpstreamClient that began it."""

    def find_exchange(self, server: UpstreamServer) -> Exchange:
        """How *server* is asked."""

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds."""

    def round_timers(self, seconds: float) -> Deadlines[UpstreamQuery]:
        """What calls ``go_on`` after so many seconds."""

    def record_success(self, server: UpstreamServer) -> None:
        """*server* was of use."""

    def record_failure(self, server: UpstreamServer, why: str) -> None:
        """*server* was of none."""


class UpstreamQuery:
    """See the head of this module. *result* fires with the Answer or UpstreamError; to cancel it ends every attempt."""

    __slots__ = (
        "_context",
        "_last_reason",
        "_only_network_errors",
        "_request",
        "_round",
        "_round_timer",
        "_running",
        "_untried",
        "result",
    )

    def __init__(self, around: QueryContext, request: UpstreamRequest, servers: Iterable[UpstreamServer]) -> None:
        self._context, self._request = around, request
        self._untried = deque(servers)
        self._running: dict[Attempt, None] = {}  # the longest silent first
        self._only_network_errors, self._round, self._last_reason = True, 1, "no server"
        self.result: Deferred[Answer] = Deferred(self._cancel)
        self._round_timer = around.round_timers(request.group.deadline / ATTEMPT_ROUNDS)
        self._round_timer.start(self)
        self._try_next()

    def _try_next(self) -> None:
        """Ask the next server; if all that are asked have failed, so has the question."""
        if self._untried:
            self._send(self._untried.popleft(), RequestForm.FULL)
        elif not self._running:
            self._fail(
                EDE_NETWORK_ERROR if self._only_network_errors else EDE_NO_REACHABLE_AUTHORITY, self._last_reason
            )

    def _send(self, server: UpstreamServer, form: RequestForm) -> None:
        trial = Attempt(self, server, form)
        self._running[trial] = None
        try:
            pending = self._context.find_exchange(server).ask(self._request.make_message(form), trial)
        except ExchangeError as error:
            self.on_failure(trial, error)
        else:
            if trial in self._running:  # else it has ended already
                trial.pending = pending

    def on_reply(self, trial: Attempt, reply: bytes) -> None:
        """*trial* has a reply."""
        if trial not in self._running:
            return
        self._remove(trial)
        try:
            verdict = evaluate_reply(reply, self._request, trial.form, self._context.clock())
        except Exception:
            # A bug of ours: the caller must see it, not wait for the deadline.
            self._stop()
            self.result.errback()
            return
        match verdict:
            case Answer():
                self._stop()
                self._context.record_success(trial.server)
                self.result.callback(verdict)
            case RequestForm():
                self._send(trial.server, verdict)
            case ServerFailure():
                self._fail_server(trial.server, verdict.text, network=False)

    def on_failure(self, trial: Attempt, error: BaseException) -> None:
        """*trial* will have none."""
        if trial not in self._running:
            return
        self._remove(trial)
        if isinstance(error, ExchangeError):
            self._fail_server(trial.server, error.text, network=error.is_network_error)
        else:
            self._stop()
            self.result.errback(error)

    def _remove(self, trial: Attempt) -> None:
        """End *trial*. Its exchange refers to it; without the reference back there is no cycle."""
        del self._running[trial]
        trial.pending = None

    def _fail_server(self, server: UpstreamServer, why: str, *, network: bool) -> None:
        self._context.record_failure(server, why)
        self._only_network_errors, self._last_reason = self._only_network_errors and network, why
        self._try_next()

    def next_round(self) -> None:
        """A part of the deadline is over: try one server more, or once more the one that has been silent longest."""
        if self._round == ATTEMPT_ROUNDS:
            for trial in self._running:
                self._context.record_failure(trial.server, "silence")
            self._fail(EDE_NO_REACHABLE_AUTHORITY, f"no answer in {self._request.group.deadline * 1000:.0f} ms")
            return
        self._round += 1
        self._round_timer.start(self)
        if not self._untried:
            trial = next(iter(self._running))
            if trial.server.transport.is_datagram:
                self._send(trial.server, trial.form)
        else:
            self._try_next()

    def _fail(self, code: int, why: str) -> None:
        self._stop()
        self.result.errback(UpstreamError(f"{self._request.group.label}: {why}", ede=code))

    def _cancel(self, _: Deferred[Answer]) -> None:
        self._stop()

    def _stop(self) -> None:
        """End the timer and every attempt that still runs."""
        self._round_timer.stop(self)
        running, self._running = self._running, {}
        for trial in running:
            if trial.pending is not None:
                trial.pending.cancel()
                trial.pending = None


class Attempt:
    """One server queried once in one form. *pending*: None until the exchange has given it."""

    __slots__ = ("_query", "form", "pending", "server")

    def __init__(self, asking: UpstreamQuery, server: UpstreamServer, form: RequestForm) -> None:
        self._query, self.server, self.form = asking, server, form
        self.pending: PendingExchange | None = None

    def on_reply(self, reply: bytes) -> None:
        """As ``ReplyReceiver``."""
        self._query.on_reply(self, reply)

    def on_failure(self, error: BaseException) -> None:
        """As ``ReplyReceiver``."""
        self._query.on_failure(self, error)
