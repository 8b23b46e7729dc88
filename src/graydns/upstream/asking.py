"""Asking: one question put to the servers of a group until one answers usefully or the deadline passes.

Each server is asked when the one before it failed, or has said nothing for a while; nobody is given up meanwhile, so a
slow answer is as welcome as the first. ::

    0             deadline / 3         2 · deadline / 3        deadline
    ├─ first ─────┼─ second, or again ─┼─ third, or again ─────┤ UpstreamError
    └─ a useful answer ends all of it; so does the last server's failure
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from twisted.internet.defer import Deferred

from graydns.model.answer import Answer
from graydns.model.errors import UpstreamError
from graydns.timing import Deadlines
from graydns.upstream.exchange import Attempt, Exchange, ExchangeError
from graydns.upstream.request import Form, Request
from graydns.upstream.server import UDP, Server
from graydns.upstream.verdict import Useless, judge

#: Parts of the deadline after each of which one more attempt is made.
ROUNDS = 3

#: Info codes of RFC 8914.
NO_REACHABLE_AUTHORITY, NETWORK_ERROR = 22, 23


class Surroundings(Protocol):
    """What an Asking needs of the UpstreamClient that began it."""

    def exchange(self, server: Server) -> Exchange:
        """How *server* is asked."""

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds."""

    def rounds(self, seconds: float) -> Deadlines[Asking]:
        """What calls ``go_on`` after so many seconds."""

    def answered(self, server: Server) -> None:
        """*server* was of use."""

    def failed(self, server: Server, why: str) -> None:
        """*server* was of none."""


class Asking:
    """See the head of this module. *result* fires with the Answer or UpstreamError; to cancel it ends every attempt."""

    __slots__ = ("_around", "_network", "_request", "_round", "_rounds", "_running", "_untried", "_why", "result")

    def __init__(self, around: Surroundings, request: Request, servers: Iterable[Server]) -> None:
        self._around, self._request = around, request
        self._untried = deque(servers)
        self._running: dict[_Trial, None] = {}  # the longest silent first
        self._network, self._round, self._why = True, 1, "no server"
        self.result: Deferred[Answer] = Deferred(self._cancel)
        self._rounds = around.rounds(request.group.deadline / ROUNDS)
        self._rounds.start(self)
        self._try_next()

    def _try_next(self) -> None:
        """Ask the next server; if all that are asked have failed, so has the question."""
        if self._untried:
            self._send(self._untried.popleft(), Form.FULL)
        elif not self._running:
            self._fail(NETWORK_ERROR if self._network else NO_REACHABLE_AUTHORITY, self._why)

    def _send(self, server: Server, form: Form) -> None:
        trial = _Trial(self, server, form)
        self._running[trial] = None
        try:
            trial.attempt = self._around.exchange(server).ask(self._request.message(form), trial)
        except ExchangeError as error:
            self.lost(trial, error)

    def replied(self, trial: _Trial, reply: bytes) -> None:
        """*trial* has a reply."""
        if trial not in self._running:
            return
        del self._running[trial]
        try:
            verdict = judge(reply, self._request, trial.form, self._around.clock())
        except Exception:
            # A bug of ours: whoever asked must see it, not wait for the deadline.
            self._stop()
            self.result.errback()
            return
        match verdict:
            case Answer():
                self._stop()
                self._around.answered(trial.server)
                self.result.callback(verdict)
            case Form():
                self._send(trial.server, verdict)
            case Useless():
                self._give_up(trial.server, verdict.text, network=False)

    def lost(self, trial: _Trial, error: BaseException) -> None:
        """*trial* will have none."""
        if trial not in self._running:
            return
        del self._running[trial]
        if isinstance(error, ExchangeError):
            self._give_up(trial.server, error.text, network=error.network)
        else:
            self._stop()
            self.result.errback(error)

    def _give_up(self, server: Server, why: str, *, network: bool) -> None:
        self._around.failed(server, why)
        self._network, self._why = self._network and network, why
        self._try_next()

    def go_on(self) -> None:
        """A part of the deadline is over: try one server more, or once more the one that has been silent longest."""
        if self._round == ROUNDS:
            for trial in self._running:
                self._around.failed(trial.server, "silence")
            self._fail(NO_REACHABLE_AUTHORITY, f"no answer in {self._request.group.deadline * 1000:.0f} ms")
            return
        self._round += 1
        self._rounds.start(self)
        if not self._untried:
            trial = next(iter(self._running))
            if trial.server.transport == UDP:
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
        self._rounds.stop(self)
        running, self._running = self._running, {}
        for trial in running:
            if trial.attempt is not None:
                trial.attempt.cancel()


class _Trial:
    """One server asked once in one form. *attempt*: None until the exchange has given it."""

    __slots__ = ("_asking", "attempt", "form", "server")

    def __init__(self, asking: Asking, server: Server, form: Form) -> None:
        self._asking, self.server, self.form = asking, server, form
        self.attempt: Attempt | None = None

    def replied(self, reply: bytes) -> None:
        """As ``Waiting``."""
        self._asking.replied(self, reply)

    def lost(self, error: BaseException) -> None:
        """As ``Waiting``."""
        self._asking.lost(self, error)
