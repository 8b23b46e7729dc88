"""The entrance of the pipeline: times every query and turns every failure into an answer, in this one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import field, frozen
from dns.edns import EDECode
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from graydns.model.answer import Answer, Ede
from graydns.model.dns_parameters import SERVFAIL
from graydns.model.dnssec_values import Security
from graydns.model.errors import ResolveError
from graydns.model.query import Query, QueryObserver
from graydns.resolve.link import Resolver
from graydns.runtime.garbage import drop_tracebacks

_log = Logger()


@frozen
class ErrorBoundary:
    """Resolve below; a failure becomes an answer with its rcode and EDE (RFC 8914).

    *clock*: monotonic seconds. *observers*: called with every answer and the seconds it took.
    """

    below: Resolver
    clock: Callable[[], float] = field(kw_only=True, repr=False)
    observers: Sequence[QueryObserver] = field(kw_only=True, repr=False, default=())

    async def resolve(self, query: Query) -> Answer:
        """An answer in every case. Raises CancelledError only."""
        began = self.clock()
        try:
            answer = await self.below.resolve(query)
        except CancelledError:
            raise
        except ResolveError as error:
            answer = make_error_answer(error)
            drop_tracebacks(error)
        except Exception as error:
            # A bug that one query triggers must not affect other queries, and must be logged.
            _log.failure("no answer for {qname!r} type {qtype}", qname=query.qname, qtype=query.qtype)
            answer = Answer(
                rcode=SERVFAIL, edes=(Ede(EDECode.OTHER, "internal failure"),), why="internal", shareable=False
            )
            drop_tracebacks(error)
        for observer in self.observers:
            if (waited := observer.answered(query, answer, self.clock() - began)) is not None:
                await waited
        return answer


def make_error_answer(error: ResolveError) -> Answer:
    """The answer that a client gets for *error*."""
    edes, security = (Ede(error.ede, error.text),), Security.INDETERMINATE
    if error.proof is not None:
        security = error.proof.security
    return Answer(rcode=error.rcode, edes=edes, why=error.text, shareable=False, security=security, proof=error.proof)
