"""What a watch asks, when, and what it tells; time and Consul are the test's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from attrs import Factory, define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from txconsul import ConsulReply, ConsulWatch, watch
from txconsul.client import ParameterValue
from txconsul.reply import (
    ConsulClosedError,
    ConsulError,
    ConsulNotFoundError,
    ConsulUnreachableError,
    MalformedReplyError,
    NoLeaderError,
    TooManyHeldQueriesError,
)
from txconsul.watch import MIN_QUERY_INTERVAL_SECONDS

WAIT = 45.0


def said(body: bytes = b"[]", index: int | None = 1, status: int = 200) -> ConsulReply:
    return ConsulReply(status, index, True, 0.0, None, None, body)


@define
class Asked:
    """A query, with the time at which it was asked."""

    at: float
    params: Mapping[str, ParameterValue]
    wait: float | None
    result: Deferred[ConsulReply]

    @property
    def index(self) -> ParameterValue | None:
        return self.params.get("index")


@define
class Scene:
    """A watch, whoever reads it, and the Consul it asks."""

    clock: Clock = field(factory=Clock)
    asked: list[Asked] = field(factory=list)
    replies: list[ConsulReply] = field(factory=list)
    errors: list[ConsulError] = field(factory=list)
    lots: list[float] = field(factory=list)
    watch: ConsulWatch = field(default=Factory(lambda self: self.new(), takes_self=True))
    done: Deferred[None] = field(factory=Deferred)

    def new(self) -> ConsulWatch:
        return watch(self, "kv/x", {"recurse": True}, wait=WAIT, clock=self.clock, random=self.lot)

    def lot(self) -> float:
        return self.lots.pop(0) if self.lots else 0.5

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, ParameterValue],
        body: None = None,
        *,
        wait: float | None = None,
        parse: bool = True,
    ) -> Deferred[ConsulReply]:
        assert (method, path, body) == ("GET", "kv/x", None)
        self.asked.append(Asked(self.clock.seconds(), params, wait, Deferred()))
        return self.asked[-1].result

    def begin(self) -> Scene:
        self.watch.subscribe(on_error=self.errors.append)
        self.done = Deferred.fromCoroutine(self._read())
        return self

    async def _read(self) -> None:
        async for reply in self.watch:
            self.replies.append(reply)

    def answer(self, body: bytes = b"[]", index: int | None = 1, status: int = 200, after: float = 1.0) -> None:
        self.clock.advance(after)
        self.asked[-1].result.callback(said(body, index, status))

    def fail(self, error: ConsulError) -> None:
        self.asked[-1].result.errback(error)


def test_a_watch_asks_at_once_and_then_waits_for_an_index() -> None:
    """In stale mode; the wait goes with the index."""
    scene = Scene().begin()
    scene.answer(b"[1]", 7)
    assert [(each.params, each.wait) for each in scene.asked] == [
        ({"recurse": True, "stale": True}, None),
        ({"recurse": True, "stale": True, "index": 7}, WAIT),
    ]
    assert [reply.body for reply in scene.replies] == [b"[1]"]


@pytest.mark.parametrize(("lot", "wait"), [(0.0, 30.0), (1.0, 60.0)])
def test_waits_differ_by_a_third(lot: float, wait: float) -> None:
    """So that watches do not come back together."""
    scene = Scene(lots=[0.5, lot]).begin()
    scene.answer(b"[1]", 7)
    assert scene.asked[1].wait == pytest.approx(wait)


def test_a_wake_up_without_a_change_is_swallowed() -> None:
    """The next query goes on from the new index."""
    scene = Scene().begin()
    scene.answer(b"[1]", 7)
    scene.answer(b"[1]", 9)
    assert scene.asked[-1].index == 9
    assert len(scene.replies) == 1


def test_an_index_that_went_backwards_is_asked_anew() -> None:
    """Without it; what the reply had is told all the same."""
    scene = Scene().begin()
    scene.answer(b"[1]", 54)
    scene.answer(b"[2]", 13)
    assert scene.asked[-1].index is None
    assert [reply.body for reply in scene.replies] == [b"[1]", b"[2]"]


def test_an_early_answer_with_the_same_index_is_asked_anew() -> None:
    """One after the whole wait is not."""
    scene = Scene().begin()
    scene.answer(b"[1]", 54)
    scene.answer(b"[1]", 54, after=WAIT + 1)
    assert scene.asked[-1].index == 54
    scene.answer(b"[1]", 54, after=WAIT - 1)
    assert scene.asked[-1].index is None


def test_an_error_is_told_and_asked_again_without_index_after_a_pause() -> None:
    """What was told stays told."""
    scene = Scene().begin()
    scene.answer(b"[1]", 54)
    assert scene.watch.is_healthy
    scene.fail(error := ConsulUnreachableError("gone"))
    assert scene.errors == [error]
    assert not scene.watch.is_healthy
    assert len(scene.asked) == 2
    scene.clock.advance(0.1)
    assert scene.asked[-1].index is None
    scene.answer(b"[1]", 13)
    assert scene.watch.is_healthy
    assert len(scene.replies) == 1


def test_errors_in_a_row_are_spaced_below_a_second() -> None:
    """Consul's return is noticed within one."""
    scene = Scene(lots=[1.0] * 40).begin()
    for count in range(1, 9):
        scene.fail(ConsulUnreachableError("gone"))
        while len(scene.asked) == count:
            scene.clock.advance(0.01)
    gaps = [after.at - before.at for before, after in itertools.pairwise(scene.asked)]
    assert gaps == pytest.approx([0.1, 0.2, 0.4, 0.8, 0.8, 0.8, 0.8, 0.8], abs=0.02)


def test_queries_that_are_never_held_are_spaced_all_the_same() -> None:
    """Past the bound of held queries a watch asks no more often than after errors, however well that goes."""
    scene = Scene(lots=[1.0] * 40).begin()
    for count in range(1, 6):
        scene.answer(index=7, after=0.0)
        scene.clock.advance(MIN_QUERY_INTERVAL_SECONDS)
        scene.fail(TooManyHeldQueriesError("120 queries are held already"))
        while len(scene.asked) == 2 * count:
            scene.clock.advance(0.01)
    gaps = [after.at - before.at for before, after in itertools.pairwise(scene.asked[::2])]
    assert gaps == pytest.approx([0.1, 0.2, 0.4, 0.8, 0.8], abs=0.02 + MIN_QUERY_INTERVAL_SECONDS)


def test_a_missing_key_is_an_answer() -> None:
    """Its index is gone on from."""
    scene = Scene().begin()
    scene.fail(ConsulNotFoundError(said(b"", 49, 404)))
    assert [(reply.status, reply.json) for reply in scene.replies] == [(404, None)]
    assert scene.asked[-1].index == 49


def test_what_has_no_index_is_an_error() -> None:
    """It could only be polled: a path that Consul does not know, or one that it cannot hold."""
    scene = Scene().begin()
    scene.fail(ConsulNotFoundError(said(b"", None, 404)))
    assert isinstance(scene.errors[0], MalformedReplyError)
    assert not scene.replies


def test_a_change_and_the_next_one_are_asked_for_at_once() -> None:
    """A burst after that only at the end of each interval."""
    scene = Scene().begin()
    scene.answer(b"0", 10)
    for number in (1, 2):
        scene.answer(b"%d" % number, 10 + number, after=0.0)
    for number in (3, 4):
        scene.clock.advance(MIN_QUERY_INTERVAL_SECONDS * 1.001)
        scene.answer(b"%d" % number, 10 + number, after=0.0)
    scene.clock.advance(MIN_QUERY_INTERVAL_SECONDS * 1.001)
    rounds = [(each.at - 1.0) / MIN_QUERY_INTERVAL_SECONDS for each in scene.asked[1:]]
    assert rounds == pytest.approx([0, 0, 1, 2, 3], abs=0.01)
    assert len(scene.replies) == 5


def test_cancelling_gives_up_the_query_and_ends_the_reader() -> None:
    """It is no error."""
    scene = Scene().begin()
    scene.answer(b"[1]", 7)
    scene.watch.cancel()
    assert scene.done.called
    assert not scene.errors
    assert len(scene.asked) == 2


def test_cancelling_in_a_pause_asks_nothing_more() -> None:
    """No call is left."""
    scene = Scene().begin()
    scene.fail(ConsulUnreachableError("gone"))
    scene.watch.cancel()
    assert scene.done.called
    assert not scene.clock.getDelayedCalls()


def test_cancelling_from_within_a_callback_ends_it() -> None:
    """The one that hears of errors may end the watch."""
    scene = Scene().begin()
    scene.watch.subscribe(on_error=lambda _: scene.watch.cancel())
    scene.fail(ConsulUnreachableError("gone"))
    assert scene.done.called
    assert not scene.clock.getDelayedCalls()


def test_cancelling_the_reader_is_not_swallowed() -> None:
    """Whoever cancels what reads the watch gets what he asked for."""
    scene = Scene().begin()
    failures: list[object] = []
    scene.done.addErrback(lambda failure: failures.append(failure.value))
    scene.done.cancel()
    assert isinstance(failures[0], CancelledError)


def test_a_closed_consul_ends_the_watch() -> None:
    """There is nobody to ask again."""
    scene = Scene().begin()
    scene.fail(ConsulClosedError("closed"))
    assert scene.done.called
    assert not scene.watch.is_healthy


def test_the_last_good_reply_is_timed() -> None:
    """In seconds of the clock; errors leave it."""
    scene = Scene().begin()
    assert scene.watch.last_reply_at is None
    scene.answer(b"[1]", 7, after=2.0)
    scene.clock.advance(5.0)
    scene.fail(NoLeaderError(said(b"No cluster leader", None, 500)))
    assert scene.watch.last_reply_at == 2.0


def test_nothing_is_asked_while_nobody_reads() -> None:
    """A slow reader holds no connection."""
    scene = Scene()
    reading = Deferred.fromCoroutine(anext(scene.watch))
    scene.answer(b"[1]", 7)
    scene.clock.advance(10.0)
    assert reading.called
    assert len(scene.asked) == 1


def test_a_second_reader_is_a_mistake() -> None:
    """Each of them would get half of the news."""
    scene = Scene().begin()
    second = Deferred.fromCoroutine(anext(scene.watch))
    failures: list[object] = []
    second.addErrback(lambda failure: failures.append(failure.value))
    assert isinstance(failures[0], RuntimeError)


def test_a_wait_of_nothing_is_refused() -> None:
    """To Consul it means five minutes."""
    with pytest.raises(ValueError, match="five minutes"):
        watch(Scene(), "kv/x", wait=0, clock=Clock(), random=lambda: 0.5)
