"""py-consul's API modules over our transport: every method gives a Deferred."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from consul.base import Consul as Modules
from consul.base import HTTPClient, Response
from consul.exceptions import ConsulException
from consul.exceptions import NotFound as Missing
from twisted.internet.defer import Deferred, fail

from txconsul.reply import (
    ConsulNotFoundError,
    ConsulTimeoutError,
    HttpResponse,
    MalformedReplyError,
    make_status_error,
    parse_reply,
)
from txconsul.transport import ConsulTransport

Callback = Callable[[Response], Any]
Params = Sequence[tuple[str, Any]] | None

#: Seconds that Consul holds a blocking query which does not say.
DEFAULT_HOLD_SECONDS = 300.0

_SECONDS_BY_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")

TOKEN_HEADER = "X-Consul-Token"


class PyConsulApi(Modules):  # type: ignore[misc]
    """Errors are ours, also where py-consul has a class of its own. An ``index`` is text, as py-consul gives it.

    Our token, which may change, goes with every request, also where py-consul forgets it (transactions); a token that
    is given to a method goes with that one.
    """

    def __init__(self, transport: ConsulTransport) -> None:
        self._transport = transport
        super().__init__(host="agent", port=0, scheme="http", verify=True)
        # What py-consul finds in the environment, it would put into some URLs.
        self.token = None

    def http_connect(self, *_: Any, **__: Any) -> HTTPClient:
        """Called by py-consul once."""
        return PyConsulHttpClient(self._transport)


class PyConsulHttpClient(HTTPClient):  # type: ignore[misc]
    """What py-consul's modules ask."""

    def __init__(self, transport: ConsulTransport) -> None:
        super().__init__()
        self._transport = transport

    def get(self, callback: Callback, path: str, params: Params = None, **more: Any) -> Deferred[Any]:
        """GET."""
        return self._ask("GET", callback, path, params, **more)

    def put(self, callback: Callback, path: str, params: Params = None, data: Any = "", **more: Any) -> Deferred[Any]:
        """PUT."""
        return self._ask("PUT", callback, path, params, data, **more)

    def delete(
        self, callback: Callback, path: str, params: Params = None, data: Any = "", **more: Any
    ) -> Deferred[Any]:
        """DELETE."""
        return self._ask("DELETE", callback, path, params, data, **more)

    def post(self, callback: Callback, path: str, params: Params = None, data: Any = "", **more: Any) -> Deferred[Any]:
        """POST."""
        return self._ask("POST", callback, path, params, data, **more)

    def close(self) -> Deferred[None]:
        """Called at the end of a ``with`` block."""
        return self._transport.close()

    def _ask(
        self,
        method: str,
        callback: Callback,
        path: str,
        params: Params,
        data: Any = None,
        headers: dict[str, str] | None = None,
        raw: bool = False,
        connections_timeout: float | None = None,
    ) -> Deferred[Any]:
        pairs = [(name, str(value)) for name, value in params or ()]
        try:
            hold = _parse_hold(dict(pairs))
        except ValueError as error:
            return fail(error)
        body = data.encode() if isinstance(data, str) else data
        token = (headers or {}).get(TOKEN_HEADER)
        path = path.removeprefix("/v1/")
        message = self._transport.send(method, path, pairs, body or None, token=token, hold=hold)
        if connections_timeout is not None:
            message.addTimeout(connections_timeout, self._transport.reactor, _raise_timeout)
        return message.addCallback(_run_callback, callback, raw)


def _raise_timeout(_: Any, seconds: float) -> NoReturn:
    raise ConsulTimeoutError(f"no answer within {seconds:g} s")


def _parse_hold(given: dict[str, str]) -> float | None:
    """Seconds that Consul may hold the query, None if it answers at once. Raises ValueError."""
    if "index" not in given:
        return None
    if "wait" not in given:
        return DEFAULT_HOLD_SECONDS
    if (match := _DURATION_PATTERN.fullmatch(given["wait"])) is None:
        raise ValueError(f"{given['wait']!r} is no duration such as 30s")
    return float(match[1]) * _SECONDS_BY_UNIT[match[2]]


def _run_callback(message: HttpResponse, callback: Callback, raw: bool) -> Any:
    """What py-consul makes of *message*. 404 is left to py-consul: for many of its methods it is an answer."""
    reply = parse_reply(message)
    if message.status != 404 and (error := make_status_error(reply)) is not None:
        raise error
    body = message.body if raw else message.body.decode(errors="replace")
    try:
        return callback(Response(message.status, message.headers, body))
    except Missing:
        raise ConsulNotFoundError(reply) from None
    except ConsulException as error:
        raise MalformedReplyError(str(error)) from None
