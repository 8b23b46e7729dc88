"""One service or node of the catalog, and what is known of it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.model.catalog import NodeView, ServiceView
from graydns.sources.consul.reading import read_node, read_service
from txconsul import Reply, Watch

View = ServiceView | NodeView

#: ``service`` or ``node``, and the lowered name.
Key = tuple[str, str]


class Told(NamedTuple):
    """What Consul said of a service or node, and *known*: the index that it had then."""

    view: View
    known: int


@define(eq=False)
class Kept:
    """*view*: None until Consul has told it. *asked*: since the last look for idle ones. *index*, *before*: of the last
    reply and of the one before. *seen*: when Consul last confirmed it. *doubted*: Consul may have lost sight of it:
    until it is there again, nothing it says of its absence is believed. *watch*: its own; without one it is *asking*
    now or not, and *settled* while nothing is known to have changed since it was asked for."""

    key: Key
    view: View | None = None
    index: int = 0
    before: int = 0
    doubted: bool = False
    seen: float = 0.0
    asked: bool = True
    stale: bool = False
    watch: Watch | None = None
    asking: bool = False
    settled: bool = False
    waiting: list[Deferred[None]] = field(factory=list)

    @property
    def path(self) -> str:
        """Where Consul tells it."""
        kind, name = self.key
        return f"{'health/service' if kind == 'service' else 'catalog/node'}/{quote(name, safe='')}"

    def read(self, reply: Reply) -> View:
        """What *reply* says of it. Raises Unreadable."""
        kind, name = self.key
        if kind == "service":
            return read_service(name, reply.json, self.view if isinstance(self.view, ServiceView) else None)
        return read_node(name, reply.json, self.view if isinstance(self.view, NodeView) else None)


def key_of(view: View) -> Key:
    """What *view* is kept by."""
    return ("service" if isinstance(view, ServiceView) else "node"), view.name.lower()


def is_there(view: View) -> bool:
    """Whether Consul has it at all."""
    return bool(view.instances) if isinstance(view, ServiceView) else view.address is not None
