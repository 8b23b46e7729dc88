"""Reading: parsed JSON of Consul's HTTP interface, turned into views of the catalog.

Pure. Something that has not the form it should have raises Unreadable and nothing else, and nothing of it is taken; but
of a service every instance is on its own: the others are taken, and *left_out* is told why each of the rest was not.
*before*: the view that was made of what Consul said before; it is given back if nothing has changed but what no answer
depends on, as indexes or the output of a check.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from sys import intern
from types import MappingProxyType
from typing import Any

from graydns.model.catalog import CRITICAL, ONE_EACH, PASSING, WARNING, Instance, NodeView, ServiceView, Weights
from graydns.model.errors import ConsulReplyError
from graydns.runtime.steps import run_steps

#: Shared by the many that have none.
_NO_META: Mapping[str, str] = MappingProxyType({})

_LARGEST = 0xFFFF


def _nobody(reason: str) -> None:
    """Who is told when nobody wants to know."""


def read_service(
    name: str, document: object, before: ServiceView | None = None, left_out: Callable[[str], None] = _nobody
) -> ServiceView:
    """The service *name* of ``health/service/NAME``, instances in order of node and id."""
    return run_steps(service_steps(name, _list(document, "the service"), before, left_out))


def service_steps(
    name: str, entries: Iterable[object], before: ServiceView | None, left_out: Callable[[str], None]
) -> Generator[None, None, ServiceView]:
    """The same of its *entries*, one at a step. Those of which none can be read are no service."""
    known = {} if before is None else {(one.node, one.id): one for one in before.instances}
    told: list[Instance] = []
    error: ConsulReplyError | None = None
    for entry in entries:
        try:
            made = _instance(entry)
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
        return _node(name, None, _NO_META, before)
    entry = _mapping(_mapping(document, "the node").get("Node"), "Node")
    return _node(name, _text(entry, "Address"), _meta(entry), before)


def _node(name: str, address: str | None, meta: Mapping[str, str], before: NodeView | None) -> NodeView:
    if before is not None and (before.address, before.meta) == (address, meta):
        return before
    return NodeView(name, address, meta)


def _instance(listed: object) -> Instance:
    entry = _mapping(listed, "an instance")
    node, service = _mapping(entry.get("Node"), "Node"), _mapping(entry.get("Service"), "Service")
    return Instance(
        node=_text(node, "Node"),
        node_address=_text(node, "Address"),
        service=_text(service, "Service"),
        id=_text(service, "ID"),
        address=_text(service, "Address"),
        port=_port(service),
        tags=_texts(service, "Tags"),
        meta=_meta(service),
        weights=_weights(service),
        status=_status(entry.get("Checks")),
    )


def _weights(service: Mapping[str, Any]) -> Weights:
    weights = service.get("Weights")
    if weights is None:
        return ONE_EACH
    found = _mapping(weights, "Weights")
    return Weights(_weight(found, "Passing"), _weight(found, "Warning"))


def _weight(weights: Mapping[str, Any], key: str) -> int:
    """Consul takes any number from who registers with its catalog; the nearest that records have room for."""
    return max(0, min(_LARGEST, _number(weights, key, 1)))


def _port(service: Mapping[str, Any]) -> int | None:
    """Consul takes any number here as well, but next to the right port there is none."""
    port = _number(service, "Port", 0)
    return port if 0 <= port <= _LARGEST else None


def _status(checks: object) -> str:
    """The worst of *checks*, those of the node and maintenance included; what is neither passing nor critical warns."""
    if checks is None:
        return PASSING
    found = {_text(_mapping(check, "a check"), "Status") for check in _list(checks, "Checks")}
    if CRITICAL in found:
        return CRITICAL
    return WARNING if found - {PASSING} else PASSING


def _meta(entry: Mapping[str, Any]) -> Mapping[str, str]:
    meta = entry.get("Meta")
    if not meta and (meta is None or isinstance(meta, dict)):
        return _NO_META
    return {_string(key, "Meta"): _string(value, "Meta") for key, value in _mapping(meta, "Meta").items()}


def _texts(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    texts = entry.get(key)
    return () if texts is None else tuple(_string(text, key) for text in _list(texts, key))


def _text(entry: Mapping[str, Any], key: str) -> str:
    return _string(entry.get(key, ""), key)


def _number(entry: Mapping[str, Any], key: str, otherwise: int) -> int:
    number = entry.get(key, otherwise)
    if type(number) is not int:
        raise ConsulReplyError(f"{key}: found {_short(number)}, expected a whole number")
    return number


def _string(value: object, what: str) -> str:
    """*value*, one object for all strings alike: a name is told again with each instance."""
    if not isinstance(value, str):
        raise ConsulReplyError(f"{what}: found {_short(value)}, expected text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ConsulReplyError(f"{what}: found {_short(value)}, expected Unicode text") from None
    return intern(value)


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConsulReplyError(f"{what}: found {_short(value)}, expected an object")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConsulReplyError(f"{what}: found {_short(value)}, expected a list")
    return value


def _short(value: object) -> str:
    """What *value* is, in few words: it may be megabytes."""
    return repr(value[:40]) if isinstance(value, str) else type(value).__name__
