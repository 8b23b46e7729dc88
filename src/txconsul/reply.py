"""What Consul answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from txconsul.errors import Garbled


@frozen
class Message:
    """An HTTP response: names of *headers* as ``X-Consul-Index``, whatever their case on the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body parsed, None if it is not JSON by its own word or empty. Raises Garbled."""
        if not self.body or not self.headers.get("Content-Type", "").startswith("application/json"):
            return None
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Garbled(f"{self.status} with a body that is not JSON: {error}") from None


@frozen
class Reply:
    """An answer of Consul, with what it says of itself; None = Consul did not say.

    *index* is what a blocking query goes on from; errors have none, whatever their header says. *last_contact* is how
    many seconds ago the server heard from the leader. *filtered*: the token lacks rights for part of the list (only
    Consuls newer than 1.12 say so). *json*: of the *body*; None also if that was left to be parsed by whoever asked.
    """

    status: int
    index: int | None
    known_leader: bool | None
    last_contact: float | None
    filtered: bool | None
    json: Any = field(repr=False)
    body: bytes = field(repr=False)


def reply_of(message: Message, parse: bool = True) -> Reply:
    """*message*, read; without *parse*, what is told by status 200 stays as it came. Raises Garbled."""
    headers = message.headers
    milliseconds = _number(headers.get("X-Consul-Lastcontact"))
    sound = message.status < 300 or message.status == 404
    return Reply(
        status=message.status,
        index=_number(headers.get("X-Consul-Index")) if sound else None,
        known_leader=_truth(headers.get("X-Consul-Knownleader")),
        last_contact=None if milliseconds is None else milliseconds / 1000,
        filtered=_truth(headers.get("X-Consul-Results-Filtered-By-Acls")),
        json=_attempt(message) if message.status >= 300 else message.json() if parse else None,
        body=message.body,
    )


def _attempt(message: Message) -> Any:
    """The JSON of an error, such as the failed operations of a transaction; most errors are plain text."""
    try:
        return message.json()
    except Garbled:
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _truth(text: str | None) -> bool | None:
    return None if text is None else text.lower() == "true"
