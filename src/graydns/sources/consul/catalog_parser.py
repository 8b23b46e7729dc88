"""Parsing: the JSON of Consul's lists, entry by entry, so that megabytes of it need not stop the world.

Reading: parsed JSON of Consul's HTTP interface, turned into views of the catalog.

Pure. What does not have the form it should have raises ConsulReplyError, and nothing of it is taken; but
of a service every instance is on its own: the others are used, and *left_out* is called with the reason for each of the
rest.
*before*: the view that was made of what Consul said before; it is given back if nothing has changed but what no answer
depends on, as indexes or the output of a check.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from sys import intern
from types import MappingProxyType
from typing import Any

from graydns.model.catalog import (
    CRITICAL,
    DEFAULT_WEIGHTS,
    PASSING,
    WARNING,
    InstanceWeights,
    NodeView,
    ServiceInstance,
    ServiceView,
)
from graydns.model.errors import ConsulReplyError
from graydns.runtime.steps import run_steps

#: Octets up to which a body is parsed at once: two or three milliseconds.
MAX_INLINE_PARSE_BYTES = 256 * 1024

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


def parse_document(body: bytes) -> object:
    """All of *body*; of an empty one None. Raises ConsulReplyError."""
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError) as error:
        raise ConsulReplyError(f"found no JSON: {error}") from None


def iterate_entries(body: bytes, what: str, key: str | None = None) -> Iterator[object]:
    """The entries of the list that *body* is, or that it has at *key*. Raises ConsulReplyError, of a large body perhaps
    after some of them."""
    if len(body) > MAX_INLINE_PARSE_BYTES:
        yield from _iterate_large(body, what, key)
        return
    whole = parse_document(body)
    if key is not None:
        whole = whole.get(key) if isinstance(whole, dict) else None
    if not isinstance(whole, list):
        raise ConsulReplyError(f"{what}: found {type(whole).__name__}, expected a list")
    yield from whole


def _iterate_large(body: bytes, what: str, key: str | None = None) -> Iterator[object]:
    try:
        text = body.decode()
        at = _skip_space(text, 0) if key is None else _find_value(text, key)
        if text[at : at + 1] != "[":
            raise ConsulReplyError(f"{what}: found something else than a list")
        at = _skip_space(text, at + 1)
        more = text[at : at + 1] != "]"
        while more:
            entry, at = _DECODER.raw_decode(text, _skip_space(text, at))
            yield entry
            at = _skip_space(text, at)
            more = text[at : at + 1] == ","
            at += more
        if text[at : at + 1] != "]" or (key is None and _skip_space(text, at + 1) != len(text)):
            raise ConsulReplyError(f"{what}: found something else behind an entry")
    except (ValueError, RecursionError) as error:
        raise ConsulReplyError(f"{what}: found no JSON: {error}") from None


def _find_value(text: str, key: str) -> int:
    """Where the value at *key* of an object begins. Raises ValueError."""
    at = _skip_space(text, 0)
    before = "{"
    while text[at : at + 1] == before:
        name, at = _DECODER.raw_decode(text, _skip_space(text, at + 1))
        at = _skip_space(text, at)
        if text[at : at + 1] != ":":
            break
        at = _skip_space(text, at + 1)
        if name == key:
            return at
        _, at = _DECODER.raw_decode(text, at)
        at, before = _skip_space(text, at), ","
    raise ValueError(f"an object with {key} was expected")


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


#: Shared by the many that have none.
_NO_META: Mapping[str, str] = MappingProxyType({})

_MAX_UINT16 = 0xFFFF


def _ignore_reason(reason: str) -> None:
    """Ignores the reasons."""


def read_service(
    name: str, document: object, before: ServiceView | None = None, left_out: Callable[[str], None] = _ignore_reason
) -> ServiceView:
    """The service *name* of ``health/service/NAME``, instances in order of node and id."""
    return run_steps(read_service_steps(name, _check_list(document, "the service"), before, left_out))


def read_service_steps(
    name: str, entries: Iterable[object], before: ServiceView | None, left_out: Callable[[str], None]
) -> Generator[None, None, ServiceView]:
    """The same of its *entries*, one at a step. Those of which none can be read are no service."""
    known = {} if before is None else {(one.node, one.id): one for one in before.instances}
    told: list[ServiceInstance] = []
    error: ConsulReplyError | None = None
    for entry in entries:
        try:
            made = _read_instance(entry)
        except ConsulReplyError as found:
            error = found
            left_out(str(found))
        else:
            old = known.get((made.node, made.id))
            told.append(old if old == made else made)  # objects that are the same are compared at no cost
        yield
    if error is not None and not told:
        raise error
    told.sort(key=lambda instance: (instance.node, instance.id))
    instances = tuple(told)
    if before is not None and before.instances == instances:
        return before
    return ServiceView(name, instances)


def read_node(name: str, document: object, before: NodeView | None = None) -> NodeView:
    """The node *name* of ``catalog/node/NAME``, which is null if there is no such node."""
    if document is None:
        return _make_node_view(name, None, _NO_META, before)
    entry = _check_object(_check_object(document, "the node").get("Node"), "Node")
    return _make_node_view(name, _read_text(entry, "Address"), _read_meta(entry), before)


def _make_node_view(name: str, address: str | None, meta: Mapping[str, str], before: NodeView | None) -> NodeView:
    if before is not None and (before.address, before.meta) == (address, meta):
        return before
    return NodeView(name, address, meta)


def _read_instance(listed: object) -> ServiceInstance:
    entry = _check_object(listed, "an instance")
    node, service = _check_object(entry.get("Node"), "Node"), _check_object(entry.get("Service"), "Service")
    return ServiceInstance(
        node=_read_text(node, "Node"),
        node_address=_read_text(node, "Address"),
        service=_read_text(service, "Service"),
        id=_read_text(service, "ID"),
        address=_read_text(service, "Address"),
        port=_read_port(service),
        tags=_read_texts(service, "Tags"),
        meta=_read_meta(service),
        weights=_read_weights(service),
        status=_read_status(entry.get("Checks")),
    )


def _read_weights(service: Mapping[str, Any]) -> InstanceWeights:
    weights = service.get("Weights")
    if weights is None:
        return DEFAULT_WEIGHTS
    found = _check_object(weights, "Weights")
    return InstanceWeights(_read_weight(found, "Passing"), _read_weight(found, "Warning"))


def _read_weight(weights: Mapping[str, Any], key: str) -> int:
    """Consul takes any number from who registers with its catalog; the nearest that records have room for."""
    return max(0, min(_MAX_UINT16, _read_integer(weights, key, 1)))


def _read_port(service: Mapping[str, Any]) -> int | None:
    """Consul takes any number here as well, but next to the right port there is none."""
    port = _read_integer(service, "Port", 0)
    return port if 0 <= port <= _MAX_UINT16 else None


def _read_status(checks: object) -> str:
    """The worst of *checks*, those of the node and maintenance included; what is neither passing nor critical warns."""
    if checks is None:
        return PASSING
    found = {_read_text(_check_object(check, "a check"), "Status") for check in _check_list(checks, "Checks")}
    if CRITICAL in found:
        return CRITICAL
    return WARNING if found - {PASSING} else PASSING


def _read_meta(entry: Mapping[str, Any]) -> Mapping[str, str]:
    meta = entry.get("Meta")
    if not meta and (meta is None or isinstance(meta, dict)):
        return _NO_META
    return {_check_text(key, "Meta"): _check_text(value, "Meta") for key, value in _check_object(meta, "Meta").items()}


def _read_texts(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    texts = entry.get(key)
    return () if texts is None else tuple(_check_text(text, key) for text in _check_list(texts, key))


def _read_text(entry: Mapping[str, Any], key: str) -> str:
    return _check_text(entry.get(key, ""), key)


def _read_integer(entry: Mapping[str, Any], key: str, otherwise: int) -> int:
    number = entry.get(key, otherwise)
    if type(number) is not int:
        raise ConsulReplyError(f"{key}: found {_abbreviate(number)}, expected a whole number")
    return number


def _check_text(value: object, what: str) -> str:
    """*value*, one object for equal strings: a name is repeated with each instance."""
    if not isinstance(value, str):
        raise ConsulReplyError(f"{what}: found {_abbreviate(value)}, expected text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ConsulReplyError(f"{what}: found {_abbreviate(value)}, expected Unicode text") from None
    return intern(value)


def _check_object(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConsulReplyError(f"{what}: found {_abbreviate(value)}, expected an object")
    return value


def _check_list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConsulReplyError(f"{what}: found {_abbreviate(value)}, expected a list")
    return value


def _abbreviate(value: object) -> str:
    """What *value* is, in few words: it may be megabytes."""
    return repr(value[:40]) if isinstance(value, str) else type(value).__name__
