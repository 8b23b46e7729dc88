"""Digests: what a list of Consul's says of each service and node, in short, so that two lists can be compared.

Census: whose instances were registered, changed or removed, by what each node has.

Consul tells that something was registered anywhere, but not of which service. Nodes are fewer than services as a rule:
asked for what they have, they tell it exactly, and only what the changed ones say has to be read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterator, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, FirstError, gatherResults

from graydns.model.errors import ConsulReplyError
from graydns.runtime.slices import run_in_slices
from graydns.runtime.timing import Clock
from graydns.sources.consul.catalog_file import CatalogKey
from graydns.sources.consul.catalog_parser import iterate_entries, parse_document
from txconsul import ConsulClient

SERVICES_PATH, CHECKS_PATH, NODES_PATH = "catalog/services", "health/state/any", "catalog/nodes"

#: What one node has; its name follows.
NODE_SERVICES_PATH = "catalog/node-services/"

#: A number for each service or node that changes when its data do.
CatalogDigest = Mapping[CatalogKey, int]


def digest(path: str, body: bytes) -> Generator[None, None, CatalogDigest]:
    """The CatalogDigest of the *body* that *path* had, in steps, one for an entry. Raises ConsulReplyError."""
    found: dict[CatalogKey, int] = {}
    try:
        for key, told in _DIGESTS_BY_PATH[path](body):
            found[key] = found.get(key, 0) ^ hash(told)
            yield
    except (TypeError, KeyError, AttributeError) as error:
        raise ConsulReplyError(f"{path}: found another form: {error}") from None
    return found


def _service_digests(body: bytes) -> Iterator[tuple[CatalogKey, object]]:
    listed: Any = parse_document(body)
    for name, tags in listed.items():
        if not isinstance(tags, list | None):
            raise TypeError("tags are no list")
        yield ("service", name.lower()), tuple(sorted(tags or ()))


def _node_digests(body: bytes) -> Iterator[tuple[CatalogKey, object]]:
    entry: Any
    for entry in iterate_entries(body, NODES_PATH):
        yield ("node", entry["Node"].lower()), (entry["Address"], str(entry["Meta"]))


def _check_digests(body: bytes) -> Iterator[tuple[CatalogKey, object]]:
    entry: Any
    for entry in iterate_entries(body, CHECKS_PATH):
        service, node = entry["ServiceName"], entry["Node"]
        key = ("service", service.lower()) if service else ("node", node.lower())
        yield key, (node, entry["CheckID"], entry["ServiceID"], entry["Status"])


#: What Consul answers for a node that has gone; an agent in development mode indents its JSON.
_IS_ABSENT_NODE = re.compile(rb'\s*\{\s*"Node"\s*:\s*null').match


def _node_service_digests(body: bytes) -> Iterator[tuple[CatalogKey, object]]:
    entry: Any
    if _IS_ABSENT_NODE(body):
        return
    for entry in iterate_entries(body, NODE_SERVICES_PATH, "Services"):
        yield ("service", entry["Service"].lower()), (entry["ID"], entry["ModifyIndex"])


_DIGESTS_BY_PATH = {
    NODE_SERVICES_PATH: _node_service_digests,
    SERVICES_PATH: _service_digests,
    NODES_PATH: _node_digests,
    CHECKS_PATH: _check_digests,
}


#: Requests that are under way at once.
MAX_CONCURRENT_REQUESTS = 16


@define(eq=False)
class NodePoller:
    """What every node had when it was asked last."""

    consul: ConsulClient = field(repr=False)
    clock: Clock = field(repr=False)
    _digest_by_node: dict[str, tuple[int, CatalogDigest]] = field(init=False, factory=dict, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not self._digest_by_node

    def reset(self) -> None:
        """Know nothing: then all that nodes have counts as changed."""
        self._digest_by_node.clear()

    async def find_changed(self, nodes: Collection[str]) -> set[CatalogKey]:
        """The services of which instances have changed since the last time; *nodes*: all that there are.

        Raises ConsulError, ConsulReplyError: then the next call reports these changes.
        """
        had = self._digest_by_node
        found: dict[str, tuple[int, CatalogDigest]] = {}
        left = iter(nodes)
        workers = [Deferred.fromCoroutine(self._poll_remaining(left, found)) for _ in range(MAX_CONCURRENT_REQUESTS)]
        try:
            await gatherResults(workers, consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()
        changed: set[CatalogKey] = set()
        for node in had.keys() | found.keys():
            (before, old), (now, new) = had.get(node, (0, {})), found.get(node, (0, {}))
            if before != now or old is not new:
                changed.update(key for key, _ in old.items() ^ new.items())
        self._digest_by_node = found
        return changed

    async def _poll_remaining(self, left: Iterator[str], found: dict[str, tuple[int, CatalogDigest]]) -> None:
        for node in left:
            found[node] = await self._poll_node(node)

    async def _poll_node(self, node: str) -> tuple[int, CatalogDigest]:
        reply = await self.consul.request("GET", NODE_SERVICES_PATH + node, {"stale": True}, parse=False)
        told = hash(reply.body)
        before = self._digest_by_node.get(node)
        if before is not None and before[0] == told:
            return before
        return told, await run_in_slices(self.clock, digest(NODE_SERVICES_PATH, reply.body))
