"""The shelf: what Consul's catalog said last, in ``data/catalog.json``, for a start at which Consul says nothing.

::

    {"at": 1763870000.0, "sha256": "…", "views": [{"index": 7, "name": "web", "instances": [{"node": "n1", …}, …]}, …]}

A view without *instances* is a node's. *sha256* is that of the views as they are written. A file that is damaged, or of
another form, is nothing: Consul will say it again. Waits for the disk: call it in a thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from attrs import asdict, frozen
from twisted.logger import Logger

from graydns.model.catalog import InstanceWeights, NodeView, ServiceInstance, ServiceView
from graydns.runtime.disk import write_durably
from graydns.sources.consul.catalog_entry import SavedView

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
