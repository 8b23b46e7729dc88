"""Reading: parsed JSON of Consul's HTTP interface, turned into views of the catalog.

Pure. Something that has not the form it should have raises Unreadable and nothing else, and nothing of it is taken.
*before*: the view that was made of what Consul said before; it is given back if nothing has changed but what no answer
depends on, as indexes or the output of a check.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from types import MappingProxyType
from typing import Any

from graydns.model.catalog import CRITICAL, ONE_EACH, PASSING, WARNING, Instance, NodeView, ServiceView, Weights
from graydns.model.errors import Unreadable

#: Shared by the many that have none.
_NO_META: Mapping[str, str] = MappingProxyType({})

_LARGEST = 0xFFFF


def read_service(name: str, document: object, before: ServiceView | None = None) -> ServiceView:
    """The service *name* of ``health/service/NAME``, instances in order of node and id."""
    told = [_instance(entry) for entry in _list(document, "the service")]
    instances = tuple(sorted(told, key=lambda instance: (instance.node, instance.id)))
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
        port=_number(service, "Port", 0),
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
    return Weights(_number(found, "Passing", 1), _number(found, "Warning", 1))


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
    if type(number) is not int or not 0 <= number <= _LARGEST:
        raise Unreadable(f"{key}: found {_short(number)}, expected a number from 0 to {_LARGEST}")
    return number


def _string(value: object, what: str) -> str:
    """*value*, one object for all strings alike: a name is told again with each instance."""
    if not isinstance(value, str):
        raise Unreadable(f"{what}: found {_short(value)}, expected text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unreadable(f"{what}: found {_short(value)}, expected Unicode text") from None
    return intern(value)


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"{what}: found {_short(value)}, expected an object")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable(f"{what}: found {_short(value)}, expected a list")
    return value


def _short(value: object) -> str:
    """What *value* is, in few words: it may be megabytes."""
    return repr(value[:40]) if isinstance(value, str) else type(value).__name__
