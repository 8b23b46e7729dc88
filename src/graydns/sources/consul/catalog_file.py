"""What is known of each service or node of the catalog, and its copy on disk for a start while Consul is unreachable.

``data/catalog.json``::

    {"at": 1763870000.0, "sha256": "…", "views": [{"index": 7, "name": "web", "instances": [{"node": "n1", …}, …]}, …]}

A view without *instances* is a node's. *sha256* is that of the views as they are written. A file that is damaged, or of
another format, is ignored. Reading and writing block on the disk: call them in a thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from attrs import asdict, define, field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from graydns.model.catalog import CatalogView, InstanceWeights, NodeView, ServiceInstance, ServiceView
from graydns.runtime.disk import write_durably
from graydns.sources.consul.catalog_parser import iterate_entries, parse_document, read_node, read_service_steps
from txconsul import ConsulReply, ConsulWatch

#: ``service`` or ``node``, and the lowered name.
CatalogKey = tuple[str, str]


class SavedView(NamedTuple):
    """What Consul said of a service or node, and *modify_index*: the index that it had then."""

    view: CatalogView
    modify_index: int


@define(eq=False)
class CatalogEntry:
    """A service or node that is followed, and what is known of the replies about it.

    *view*: None until Consul has delivered it; *body_fingerprint* stands for the reply that it was made of. *index*,
    *previous_index*: of the last reply and of the one before. *confirmed_at*: when Consul last confirmed it.
    *unconfirmed*: Consul may have lost it: until it is there again, its absence is not believed; *withheld_ids*: the
    same for some of its instances. *filtered*: Consul reported that the ACLs hide instances. *unreadable_count*: parts
    of the last reply that were left out because they were not understood. *recently_used*: since the last check for
    idle entries. *watch*: its own watch; without one, *is_polling* says whether it is being queried, *is_current* that
    it is not known to have changed since, and *may_have_changed* that it may have.
    """

    key: CatalogKey
    view: CatalogView | None = None
    index: int = 0
    previous_index: int = 0
    unconfirmed: bool = False
    confirmed_at: float = 0.0
    recently_used: bool = True
    stale: bool = False
    watch: ConsulWatch | None = None
    is_polling: bool = False
    is_current: bool = False
    may_have_changed: bool = False
    filtered: bool = False
    withheld_ids: frozenset[str] = frozenset()
    unreadable_count: int = 0
    body_fingerprint: object = None
    waiters: list[Deferred[None]] = field(factory=list)

    @property
    def path(self) -> str:
        """Where Consul tells it."""
        kind, name = self.key
        return f"{'health/service' if kind == 'service' else 'catalog/node'}/{name}"

    @property
    def absent_view(self) -> CatalogView:
        """What there is to say of it if there is no such thing."""
        kind, name = self.key
        return ServiceView(name) if kind == "service" else NodeView(name, None)

    @property
    def is_partly_unconfirmed(self) -> bool:
        """Whether it, or a part of it, is kept only because Consul may have lost sight of it."""
        return self.unconfirmed or bool(self.withheld_ids)

    def notify_waiters(self, error: Exception | None = None) -> None:
        """Those who wait go on, or get *error*."""
        waiting, self.waiters = self.waiters, []
        for told in waiting:
            if error is None:
                told.callback(None)
            else:
                told.errback(error)

    def read_steps(self, reply: ConsulReply, left_out: Callable[[str], None]) -> Generator[None, None, CatalogView]:
        """What *reply* says of it, in steps. *left_out*: is told why an instance was. Raises ConsulReplyError."""
        kind, name = self.key
        if kind == "service":
            before = self.view if isinstance(self.view, ServiceView) else None
            return (yield from read_service_steps(name, iterate_entries(reply.body, "the service"), before, left_out))
        return read_node(name, parse_document(reply.body), self.view if isinstance(self.view, NodeView) else None)


def key_for_view(view: CatalogView) -> CatalogKey:
    """What *view* is kept by."""
    return ("service" if isinstance(view, ServiceView) else "node"), view.name.lower()


def is_registered(view: CatalogView) -> bool:
    """Whether Consul has it at all."""
    return bool(view.instances) if isinstance(view, ServiceView) else view.address is not None


CATALOG_FILE = "catalog.json"


@frozen
class CatalogSnapshotFile:
    """*data*: the folder of the file."""

    data: Path

    _log = Logger()

    def save(self, told: Iterable[SavedView], now: float) -> None:
        """Keep what was *told* up to *now* (Unix seconds). Raises OSError, and then what was kept before stays."""
        views = [_dump_view(each) for each in told]
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        document = {"at": now, "sha256": _checksum(views), "views": views}
        write_durably(self.data / CATALOG_FILE, (json.dumps(document).encode(),))

    def load(self) -> tuple[list[SavedView], float]:
        """What is kept, and up to when it was told (Unix seconds)."""
        try:
            document = json.loads((self.data / CATALOG_FILE).read_bytes())
            views = document["views"]
            if document["sha256"] != _checksum(views):
                raise ValueError("its checksum is another one")
            return [_parse_view(each) for each in views], float(document["at"])
        except FileNotFoundError:
            return [], 0.0
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._log.warn("{file} is not used: {error}", file=str(self.data / CATALOG_FILE), error=str(error))
            return [], 0.0


def _checksum(views: object) -> str:
    return sha256(json.dumps(views, sort_keys=True).encode()).hexdigest()


def _dump_view(told: SavedView) -> dict[str, Any]:
    view, plain = told.view, {"name": told.view.name, "index": told.modify_index}
    if isinstance(view, ServiceView):
        instances = [asdict(instance, value_serializer=_dump_collection) for instance in view.instances]
        return {**plain, "instances": instances}
    return {**plain, "address": view.address, "meta": dict(view.meta)}


def _dump_collection(_: object, __: object, value: object) -> object:
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value


def _parse_view(plain: dict[str, Any]) -> SavedView:
    if "instances" not in plain:
        return SavedView(NodeView(plain["name"], plain["address"], plain["meta"]), plain["index"])
    return SavedView(
        ServiceView(plain["name"], tuple(_parse_instance(each) for each in plain["instances"])), plain["index"]
    )


def _parse_instance(plain: dict[str, Any]) -> ServiceInstance:
    return ServiceInstance(**{**plain, "tags": tuple(plain["tags"]), "weights": InstanceWeights(*plain["weights"])})
