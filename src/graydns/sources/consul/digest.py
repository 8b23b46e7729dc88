"""Digests: what a list of Consul's says of each service and node, in short, so that two lists can be compared."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from graydns.model.errors import ConsulReplyError
from graydns.sources.consul.kept import Key
from graydns.sources.consul.parsing import document, entries

SERVICES, CHECKS, NODES = "catalog/services", "health/state/any", "catalog/nodes"

#: What one node has; its name follows.
ON_NODE = "catalog/node-services/"

#: A number by service or node that is another one when what was told of it is.
Digest = Mapping[Key, int]


def digest(path: str, body: bytes) -> Generator[None, None, Digest]:
    """The Digest of the *body* that *path* had, in steps, one for an entry. Raises ConsulReplyError."""
    found: dict[Key, int] = {}
    try:
        for key, told in _READERS[path](body):
            found[key] = found.get(key, 0) ^ hash(told)
            yield
    except (TypeError, KeyError, AttributeError) as error:
        raise ConsulReplyError(f"{path}: found another form: {error}") from None
    return found


def _services(body: bytes) -> Iterator[tuple[Key, object]]:
    listed: Any = document(body)
    for name, tags in listed.items():
        if not isinstance(tags, list | None):
            raise TypeError("tags are no list")
        yield ("service", name.lower()), tuple(sorted(tags or ()))


def _nodes(body: bytes) -> Iterator[tuple[Key, object]]:
    entry: Any
    for entry in entries(body, NODES):
        yield ("node", entry["Node"].lower()), (entry["Address"], str(entry["Meta"]))


def _checks(body: bytes) -> Iterator[tuple[Key, object]]:
    entry: Any
    for entry in entries(body, CHECKS):
        service, node = entry["ServiceName"], entry["Node"]
        key = ("service", service.lower()) if service else ("node", node.lower())
        yield key, (node, entry["CheckID"], entry["ServiceID"], entry["Status"])


def _on_node(body: bytes) -> Iterator[tuple[Key, object]]:
    entry: Any
    if body.startswith(b'{"Node":null'):
        return  # it has gone
    for entry in entries(body, ON_NODE, "Services"):
        yield ("service", entry["Service"].lower()), (entry["ID"], entry["ModifyIndex"])


_READERS = {ON_NODE: _on_node, SERVICES: _services, NODES: _nodes, CHECKS: _checks}
