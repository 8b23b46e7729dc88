"""Replies of Consul, and every error that txconsul raises on purpose.

::

    ConsulError
    ├── ConsulUnreachableError       no connection, or it was lost before the whole reply was here
    │   └── ConsulTimeoutError       no whole reply in time
    ├── TokenUnreadableError         the token's file cannot be read, and no token is known from before
    ├── TooManyHeldQueriesError      too many queries are held already
    ├── ConsulClosedError            the client was closed
    ├── MalformedReplyError          not JSON, or without what it must have
    └── ConsulStatusError            Consul replied with an error; `reply` is its reply
        ├── ConsulServerError        5xx
        │   └── NoLeaderError        5xx as the servers have no leader, or cannot reach it
        ├── PermissionDeniedError    403: the token is unknown or lacks a right
        ├── ConsulNotFoundError      404
        └── RequestRefusedError      any other status that is not 2xx

A list that is empty since the token lacks a right is no error: Consul filters lists and answers 200, or 404 in KV.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    pass


#: Characters of Consul's text that are shown.
_MAX_TEXT_BYTES = 400

#: What servers and agents say while there is no leader, or none that can be reached.
_NO_LEADER_PATTERN = re.compile(
    r"No cluster leader|rpc error getting client|leadership lost|not the leader|lead thread didn't get connection"
    r"|No known Consul servers|rpc error making call: (EOF|.*(refused|reset|timeout|broken pipe))"
)


class ConsulError(Exception):
    """The root of all errors raised on purpose."""


class ConsulUnreachableError(ConsulError):
    """No connection, or it was lost before the whole answer was here."""


class ConsulTimeoutError(ConsulUnreachableError):
    """No whole answer in time."""


class TokenUnreadableError(ConsulError):
    """The token's file cannot be read, and no token is known from before."""


class TooManyHeldQueriesError(ConsulError):
    """As many queries are held as may be."""


class ConsulClosedError(ConsulError):
    """The Consul object was closed."""


class MalformedReplyError(ConsulError):
    """An answer that is none."""


class ConsulStatusError(ConsulError):
    """Consul answered, with an error; its words are the text."""

    def __init__(self, reply: ConsulReply) -> None:
        super().__init__(f"{reply.status} {reply.body[:_MAX_TEXT_BYTES].decode(errors='replace').strip()}".strip())
        self.reply = reply


class ConsulServerError(ConsulStatusError):
    """A status of 500 or more."""


class NoLeaderError(ConsulServerError):
    """The servers have no leader, or the agent cannot reach it."""


class PermissionDeniedError(ConsulStatusError):
    """403: the token is unknown, or lacks a right. Tokens come back, so it is worth to try again."""


class ConsulNotFoundError(ConsulStatusError):
    """404: there is no such thing."""


class RequestRefusedError(ConsulStatusError):
    """Any other status that is not 2xx."""


def make_status_error(reply: ConsulReply) -> ConsulStatusError | None:
    """The error that *reply* is, None if it is none."""
    if reply.status < 300:
        return None
    if reply.status >= 500:
        leaderless = _NO_LEADER_PATTERN.search(reply.body[:_MAX_TEXT_BYTES].decode(errors="replace"))
        return NoLeaderError(reply) if leaderless else ConsulServerError(reply)
    return {403: PermissionDeniedError, 404: ConsulNotFoundError}.get(reply.status, RequestRefusedError)(reply)


@frozen
class HttpResponse:
    """An HTTP response: names of *headers* as ``X-Consul-Index``, whatever their case on the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body parsed, None if its content type is not JSON, or it is empty. Raises MalformedReplyError."""
        if not self.body or not self.headers.get("Content-Type", "").startswith("application/json"):
            return None
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise MalformedReplyError(f"{self.status} with a body that is not JSON: {error}") from None


@frozen
class ConsulReply:
    """An answer of Consul, with what it says of itself; None = Consul did not say.

    *index* is what a blocking query goes on from; errors have none, whatever their header says. *last_contact* is how
    many seconds ago the server heard from the leader. *filtered*: the token lacks rights for part of the list (only
    Consuls newer than 1.12 say so). *json*: of the *body*; None also if parsing was left to the caller.
    """

    status: int
    index: int | None
    known_leader: bool | None
    last_contact: float | None
    filtered: bool | None
    json: Any = field(repr=False)
    body: bytes = field(repr=False)


def parse_reply(message: HttpResponse, parse: bool = True) -> ConsulReply:
    """*message*, read; without *parse*, the body of a reply with status 200 stays as it came. Raises
    MalformedReplyError."""
    headers = message.headers
    milliseconds = _parse_integer(headers.get("X-Consul-Lastcontact"))
    sound = message.status < 300 or message.status == 404
    return ConsulReply(
        status=message.status,
        index=_parse_integer(headers.get("X-Consul-Index")) if sound else None,
        known_leader=_parse_boolean(headers.get("X-Consul-Knownleader")),
        last_contact=None if milliseconds is None else milliseconds / 1000,
        filtered=_parse_boolean(headers.get("X-Consul-Results-Filtered-By-Acls")),
        json=_parse_error_json(message) if message.status >= 300 else message.json() if parse else None,
        body=message.body,
    )


def _parse_error_json(message: HttpResponse) -> Any:
    """The JSON of an error, such as the failed operations of a transaction; most errors are plain text."""
    try:
        return message.json()
    except MalformedReplyError:
        return None


def _parse_integer(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _parse_boolean(text: str | None) -> bool | None:
    return None if text is None else text.lower() == "true"
