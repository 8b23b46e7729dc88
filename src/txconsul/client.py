"""A Consul agent, asked over HTTP from Twisted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred

from txconsul.authentication import make_tls_policy, make_token_source
from txconsul.pyconsul_api import PyConsulApi
from txconsul.reply import ConsulNotFoundError, ConsulReply, HttpResponse, make_status_error, parse_reply
from txconsul.transport import make_transport

#: The value of a parameter; several: the parameter is given as often. True is ``true``, False leaves it out.
ParameterValue = str | int | bool | Sequence[str]

#: Requests under way at once, and connections kept for the next ones.
MAX_CONCURRENT_REQUESTS = 64

#: Blocking queries held at once. An agent takes 200 connections from an address (``http_max_conns_per_client``) and
#: resets the next one: beside the pool, 16 are left for others on this host.
MAX_HELD_QUERIES = 120


class ConsulClient:
    """One agent at *address* (``http://HOST:PORT`` or ``https://HOST:PORT``).

    *token_file* is read again when it changes; without it and *token*, the environment's ``CONSUL_HTTP_TOKEN`` goes
    with requests. *ca*, *certificate*, *key*: files in PEM. *pool*: requests under way at once, and connections that
    stay open for the next ones; further requests wait in line. Blocking queries have a connection each and are counted
    apart: past *held* they fail with Crowded. One that is given up counts on for as long as Consul may hold it, since
    Consul does that. *timeout*: seconds for a request, its time in line included; a blocking query has as much on top
    of what Consul may hold it. Raises ValueError and OSError for settings that cannot be.
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
        pool: int = MAX_CONCURRENT_REQUESTS,
        held: int = MAX_HELD_QUERIES,
        timeout: float = 10.0,
    ) -> None:
        self._transport = make_transport(
            reactor,
            _parse_address(address),
            make_token_source(token, token_file),
            make_tls_policy(ca, certificate, key),
            datacenter=datacenter,
            pool=pool,
            held=held,
            timeout=timeout,
        )
        #: py-consul's modules (kv, txn, catalog, agent, health, session, acl …), every method giving a Deferred.
        self.api = PyConsulApi(self._transport)

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, ParameterValue] | None = None,
        body: Any = None,
        *,
        wait: float | None = None,
        parse: bool = True,
    ) -> Deferred[ConsulReply]:
        """Ask for *path* below ``/v1/``, such as ``health/service/web``; fires with the ConsulReply, or a ConsulError.

        *body*: bytes as they are, str in UTF-8, anything else as JSON. *wait*: with an ``index`` among *params*,
        seconds that Consul may hold the query. 404 is an answer where keys are listed (``recurse``, ``keys``), else
        ConsulNotFoundError. *parse*: whether the ConsulReply has ``json``; of megabytes that takes long, and may be
        done elsewhere. Cancelling closes the connection.
        """
        given = dict(params or {})
        if wait is not None:
            given["wait"] = f"{max(1, round(wait * 1000))}ms"
        message = self._transport.send(method, path, tuple(_encode_parameters(given)), _encode_body(body), hold=wait)
        return message.addCallback(_check_reply, bool(given.get("recurse") or given.get("keys")), parse)

    def close(self) -> Deferred[None]:
        """Give up what is under way, with Closed, and close every connection."""
        return self._transport.close()


def _parse_address(address: str) -> str:
    """*address* without anything behind the port. Raises ValueError."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError(f"{address!r} is no address of an agent, such as http://127.0.0.1:8500")
    if parts.username is not None or parts.fragment or parts.port == 0:
        raise ValueError(f"{address!r} has more than a host and a port")
    return f"{parts.scheme}://{parts.netloc}"


def _encode_parameters(given: Mapping[str, ParameterValue]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, bool):
            if value:
                yield name, "true"
        elif isinstance(value, (str, int)):
            yield name, str(value)
        else:
            for each in value:
                yield name, each


def _encode_body(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body, separators=(",", ":")).encode()


def _check_reply(message: HttpResponse, listing: bool, parse: bool) -> ConsulReply:
    """The ConsulReply that *message* is. Raises ConsulStatusError, MalformedReplyError."""
    reply = parse_reply(message, parse)
    error = make_status_error(reply)
    if error is not None and not (listing and isinstance(error, ConsulNotFoundError)):
        raise error
    return reply
