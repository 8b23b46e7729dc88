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

from txconsul.errors import Garbled, NotFound, TimedOut, error_of
from txconsul.reply import Message, reply_of
from txconsul.transport import Transport

Callback = Callable[[Response], Any]
Params = Sequence[tuple[str, Any]] | None

#: Seconds that Consul holds a blocking query which does not say.
DEFAULT_WAIT = 300.0

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")

TOKEN = "X-Consul-Token"


class Api(Modules):  # type: ignore[misc]
    """Errors are ours, also where py-consul has a class of its own. An ``index`` is text, as py-consul gives it.

    Our token, which may change, goes with every request, also where py-consul forgets it (transactions); a token that
    is given to a method goes with that one.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        super().__init__(host="agent", port=0, scheme="http", verify=True)
        # What py-consul finds in the environment, it would put into some URLs.
        self.token = None

    def http_connect(self, *_: Any, **__: Any) -> HTTPClient:
        """Called by py-consul once."""
        return Client(self._transport)


class Client(HTTPClient):  # type: ignore[misc]
    """What py-consul's modules ask."""

    def __init__(self, transport: Transport) -> None:
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
            hold = _hold(dict(pairs))
        except ValueError as error:
            return fail(error)
        body = data.encode() if isinstance(data, str) else data
        token = (headers or {}).get(TOKEN)
        path = path.removeprefix("/v1/")
        message = self._transport.send(method, path, pairs, body or None, token=token, hold=hold)
        if connections_timeout is not None:
            message.addTimeout(connections_timeout, self._transport.reactor, _too_late)
        return message.addCallback(_called, callback, raw)


def _too_late(_: Any, seconds: float) -> NoReturn:
    raise TimedOut(f"no answer within {seconds:g} s")


def _hold(given: dict[str, str]) -> float | None:
    """Seconds that Consul may hold the query, None if it answers at once. Raises ValueError."""
    if "index" not in given:
        return None
    if "wait" not in given:
        return DEFAULT_WAIT
    if (match := _DURATION.fullmatch(given["wait"])) is None:
        raise ValueError(f"{given['wait']!r} is no duration such as 30s")
    return float(match[1]) * _UNITS[match[2]]


def _called(message: Message, callback: Callback, raw: bool) -> Any:
    """What py-consul makes of *message*. 404 is for it to judge: for many of its methods that is an answer."""
    reply = reply_of(message)
    if message.status != 404 and (error := error_of(reply)) is not None:
        raise error
    body = message.body if raw else message.body.decode(errors="replace")
    try:
        return callback(Response(message.status, message.headers, body))
    except Missing:
        raise NotFound(reply) from None
    except ConsulException as error:
        raise Garbled(str(error)) from None
