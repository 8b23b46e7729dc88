"""A Consul agent, asked over HTTP from Twisted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred

from txconsul.api import Api
from txconsul.errors import NotFound, error_of
from txconsul.reply import Message, Reply, reply_of
from txconsul.tls import policy_of
from txconsul.token import token_of
from txconsul.transport import transport

#: The value of a parameter; several: the parameter is given as often. True is ``true``, False leaves it out.
Value = str | int | bool | Sequence[str]

#: Requests under way at once, and connections kept for the next ones.
POOL = 64

#: Blocking queries held at once. An agent takes 200 connections from an address (``http_max_conns_per_client``) and
#: resets the next one, whoever it is from: beside the pool, 16 are left for others on this host.
HELD = 120


class Consul:
    """One agent at *address* (``http://HOST:PORT`` or ``https://HOST:PORT``).

    *token_file* is read anew when it changes; without it and *token*, the environment's ``CONSUL_HTTP_TOKEN`` goes with
    requests. *ca*, *certificate*, *key*: files in PEM. *pool*: requests under way at once, and connections that stay
    open for the next ones; further requests wait in line. Blocking queries have a connection each and are counted
    apart: past *held* they fail with Crowded. One that is given up counts on for as long as Consul may hold it, since
    Consul does that. *timeout*: seconds for a request, its time in line included; a blocking
    query has as much on top of what Consul may hold it. Raises ValueError and OSError for settings that cannot be.
    """

    def __init__(
        self,
        reactor: Any,
        address: str = "http://127.0.0.1:8500",
        *,
        token: str | None = None,
        token_file: Path | str | None = None,
        ca: Path | str | None = None,
        certificate: Path | str | None = None,
        key: Path | str | None = None,
        datacenter: str | None = None,
        pool: int = POOL,
        held: int = HELD,
        timeout: float = 10.0,
    ) -> None:
        self._transport = transport(
            reactor,
            _base(address),
            token_of(token, token_file),
            policy_of(ca, certificate, key),
            datacenter=datacenter,
            pool=pool,
            held=held,
            timeout=timeout,
        )
        #: py-consul's modules (kv, txn, catalog, agent, health, session, acl …), every method giving a Deferred.
        self.api = Api(self._transport)

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Value] | None = None,
        body: Any = None,
        *,
        wait: float | None = None,
        parse: bool = True,
    ) -> Deferred[Reply]:
        """Ask for *path* below ``/v1/``, such as ``health/service/web``; fires with the Reply, or a ConsulError.

        *body*: bytes as they are, str in UTF-8, anything else as JSON. *wait*: with an ``index`` among *params*,
        seconds that Consul may hold the query. 404 is an answer where keys are listed (``recurse``, ``keys``), else
        NotFound. *parse*: whether the Reply has ``json``; of megabytes that takes long, and may be done elsewhere.
        Cancelling closes the connection.
        """
        given = dict(params or {})
        if wait is not None:
            given["wait"] = f"{max(1, round(wait * 1000))}ms"
        message = self._transport.send(method, path, tuple(_pairs(given)), _encoded(body), hold=wait)
        return message.addCallback(_judged, bool(given.get("recurse") or given.get("keys")), parse)

    def close(self) -> Deferred[None]:
        """Give up what is under way, with Closed, and close every connection."""
        return self._transport.close()


def _base(address: str) -> str:
    """*address* without anything behind the port. Raises ValueError."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError(f"{address!r} is no address of an agent, such as http://127.0.0.1:8500")
    if parts.username is not None or parts.fragment or parts.port == 0:
        raise ValueError(f"{address!r} has more than a host and a port")
    return f"{parts.scheme}://{parts.netloc}"


def _pairs(given: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, bool):
            if value:
                yield name, "true"
        elif isinstance(value, (str, int)):
            yield name, str(value)
        else:
            for each in value:
                yield name, each


def _encoded(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body, separators=(",", ":")).encode()


def _judged(message: Message, listing: bool, parse: bool) -> Reply:
    """The Reply that *message* is. Raises Answered, Garbled."""
    reply = reply_of(message, parse)
    error = error_of(reply)
    if error is not None and not (listing and isinstance(error, NotFound)):
        raise error
    return reply
