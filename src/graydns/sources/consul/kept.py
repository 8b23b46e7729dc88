"""One service or node of the catalog, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.model.catalog import NodeView, ServiceView, View
from graydns.sources.consul.parsing import document, entries
from graydns.sources.consul.reading import read_node, service_steps
from txconsul import Reply, Watch

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
    until it is there again, nothing it says of its absence is believed; *hidden*: the same of some instances only, by
    their names, and *filtered*: whether Consul said that we are not shown all. *unread*: parts of the last reply that
    were left out as not understood. *told*: stands for the body of the reply that *view* is made of. *watch*: its own;
    without one it is *asking* now or not, *settled* while it is not known to have changed since it was asked for, and
    *unsure* if it may have."""

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
    unsure: bool = False
    filtered: bool = False
    hidden: frozenset[str] = frozenset()
    unread: int = 0
    told: object = None
    waiting: list[Deferred[None]] = field(factory=list)

    @property
    def path(self) -> str:
        """Where Consul tells it."""
        kind, name = self.key
        return f"{'health/service' if kind == 'service' else 'catalog/node'}/{name}"

    @property
    def nothing(self) -> View:
        """What there is to say of it if there is no such thing."""
        kind, name = self.key
        return ServiceView(name) if kind == "service" else NodeView(name, None)

    @property
    def is_unseen(self) -> bool:
        """Whether it, or a part of it, is kept only because Consul may have lost sight of it."""
        return self.doubted or bool(self.hidden)

    def tell(self, error: Exception | None = None) -> None:
        """Those who wait go on, or get *error*."""
        waiting, self.waiting = self.waiting, []
        for told in waiting:
            if error is None:
                told.callback(None)
            else:
                told.errback(error)

    def reading(self, reply: Reply, left_out: Callable[[str], None]) -> Generator[None, None, View]:
        """What *reply* says of it, in steps. *left_out*: is told why an instance was. Raises Unreadable."""
        kind, name = self.key
        if kind == "service":
            before = self.view if isinstance(self.view, ServiceView) else None
            return (yield from service_steps(name, entries(reply.body, "the service"), before, left_out))
        return read_node(name, document(reply.body), self.view if isinstance(self.view, NodeView) else None)


def key_of(view: View) -> Key:
    """What *view* is kept by."""
    return ("service" if isinstance(view, ServiceView) else "node"), view.name.lower()


def is_there(view: View) -> bool:
    """Whether Consul has it at all."""
    return bool(view.instances) if isinstance(view, ServiceView) else view.address is not None
