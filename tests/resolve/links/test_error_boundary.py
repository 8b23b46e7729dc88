"""What leaves the pipeline is seen by those who observe it, and waits for them if they say so."""

from __future__ import annotations

from attrs import define, field
from dns.edns import EDECode
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from graydns.model.answer import Answer
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.errors import ResolveError
from graydns.model.query import Query
from graydns.resolve.links.error_boundary import ErrorBoundary
from tests.resolve.chains import make_answer
from tests.upstream.queries import make_query

BOGUS = ValidationStatus(Security.BOGUS, None, "no signature", EDECode.RRSIGS_MISSING)


@define
class Ending:
    """The end of a chain: an answer or an error."""

    end: Answer | Exception

    async def resolve(self, query: Query) -> Answer:
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


@define
class Observer:
    """Keeps what it sees, and lets it wait for *room*."""

    room: Deferred[None] | None = None
    seen: list[Answer] = field(factory=list)

    def answered(self, query: Query, answer: Answer, seconds: float) -> Deferred[None] | None:
        self.seen.append(answer)
        return self.room


def measured(end: Answer | Exception, *observers: Observer) -> Deferred[Answer]:
    measure = ErrorBoundary(Ending(end), clock=lambda: 0.0, observers=observers)
    return Deferred.fromCoroutine(measure.resolve(make_query()))


def test_an_error_keeps_its_proof() -> None:
    """What the validator found out about an answer that nobody gets is for those who observe."""
    observer = Observer()
    done = measured(ResolveError("no signature", ede=10, proof=BOGUS), observer)
    answer = done.result
    assert isinstance(answer, Answer)
    assert (answer.rcode, answer.edes[0].code, answer.proof, observer.seen) == (2, 10, BOGUS, [answer])


def test_an_answer_waits_for_its_observer() -> None:
    """It is given when the observer has room for it; the other observers see it then."""
    room: Deferred[None] = Deferred()
    first, second = Observer(room), Observer()
    answer = make_answer(make_query())
    done = measured(answer, first, second)
    assert (first.seen, second.seen, done.called) == ([answer], [], False)
    room.callback(None)
    assert (second.seen, done.result) == ([answer], answer)


def test_an_asker_who_leaves_waits_no_more() -> None:
    """What he waited for is cancelled."""
    room: Deferred[None] = Deferred()
    done = measured(make_answer(make_query()), Observer(room))
    done.cancel()
    assert room.called
    left: list[Failure] = []
    done.addErrback(left.append)
    assert isinstance(left[0].value, CancelledError)
