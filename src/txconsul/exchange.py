"""One HTTP request and its whole response; given up, it closes its connection at any point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL.SSL import Error as TLSError
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as TooLate
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (  # type: ignore[attr-defined]
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http import PotentialDataLoss

from txconsul.reply import ConsulTimeoutError, ConsulUnreachableError, HttpResponse

#: What Twisted raises for what happens on the way. Anything else is a mistake of ours and stays as it is.
_WRAPPERS = (RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived)
_CONNECTION_ERRORS = (ConnectError, ConnectionClosed, PotentialDataLoss, RequestNotSent, OSError, TLSError)


def exchange(clock: Any, begin: Callable[[], Deferred[HttpResponse]], seconds: float) -> Deferred[HttpResponse]:
    """Call *begin*; fires with what it gives, or with ConsulTimeoutError after *seconds*.

    Cancelled, it fires with CancelledError in the same turn, whatever the layers below make of that
    (ResponseNeverReceived while waiting, DNSLookupError while connecting), and the connection is closed.
    """
    under_way = maybeDeferred(begin)

    def give_up(deferred: Deferred[HttpResponse]) -> None:
        deferred.errback(CancelledError())
        under_way.cancel()

    result: Deferred[HttpResponse] = Deferred(give_up)
    under_way.addCallbacks(
        lambda message: None if result.called else result.callback(message),
        lambda failure: None if result.called else result.errback(failure),
    )
    return result.addTimeout(seconds, clock).addErrback(_translate_error, seconds)


def read_response(response: Any) -> Deferred[HttpResponse]:
    """A treq *response*, unbuffered, with all of its body."""
    headers = {
        name.decode("latin-1"): values[-1].decode("latin-1") for name, values in response.headers.getAllRawHeaders()
    }
    body = _BodyCollector()
    response.deliverBody(body)
    return body.finished.addCallback(lambda data: HttpResponse(response.code, headers, data))


class _BodyCollector(Protocol):
    """Collects a body. treq's own collector, and Twisted's, leave the connection open when they are cancelled."""

    def __init__(self) -> None:
        self.finished: Deferred[bytes] = Deferred(self._stop)
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        """Another part."""
        self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """All parts are here, or the connection broke: half a list is worse than none."""
        if self.finished.called:
            return
        if isinstance(reason.value, ResponseDone):
            self.finished.callback(b"".join(self._parts))
        else:
            self.finished.errback(reason)

    def _stop(self, finished: Deferred[bytes]) -> None:
        finished.errback(CancelledError())
        transport: Any = self.transport
        transport.loseConnection()


def _translate_error(failure: Failure, seconds: float) -> Failure:
    """Errors of Twisted as ours; CancelledError stays."""
    error = failure.value
    if isinstance(error, TooLate):
        raise ConsulTimeoutError(f"no answer within {seconds:g} s")
    if isinstance(error, _WRAPPERS):
        raise ConsulUnreachableError("; ".join(_describe_error(reason.value) for reason in error.reasons))
    if isinstance(error, _CONNECTION_ERRORS):
        raise ConsulUnreachableError(_describe_error(error))
    return failure


def _describe_error(error: BaseException) -> str:
    return str(error) or type(error).__name__
