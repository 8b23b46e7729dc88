"""What Consul said is kept as it was said, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType

from graydns.model.catalog import WARNING, InstanceWeights, NodeView, ServiceInstance, ServiceView
from graydns.sources.consul.catalog_file import CATALOG_FILE, CatalogSnapshotFile, SavedView

WEB = ServiceInstance(
    "n1", "192.0.2.1", "web", "web1", "h.test", 80, ("v2",), {"k": "v"}, InstanceWeights(3, 1), WARNING
)
TOLD = [
    SavedView(ServiceView("web", (WEB,)), 7),
    SavedView(NodeView("n1", "192.0.2.1", MappingProxyType({"rack": "a"})), 9),
]


def test_what_was_kept_is_told_again(tmp_path: Path) -> None:
    """Instances, nodes, indexes and the time come back."""
    shelf = CatalogSnapshotFile(tmp_path)
    shelf.save(TOLD, 1234.5)
    told, at = shelf.load()
    assert at == 1234.5
    (service, first), (node, second) = told
    assert isinstance(service, ServiceView)
    assert (service.name, service.instances, first) == ("web", (WEB,), 7)
    assert isinstance(node, NodeView)
    assert (node.name, node.address, dict(node.meta), second) == ("n1", "192.0.2.1", {"rack": "a"}, 9)


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    """The first start."""
    assert CatalogSnapshotFile(tmp_path).load() == ([], 0.0)


def test_damage_is_noticed(tmp_path: Path) -> None:
    """Another octet, another form, no JSON: nothing of it is taken."""
    shelf, file = CatalogSnapshotFile(tmp_path), tmp_path / CATALOG_FILE
    shelf.save(TOLD, 1.0)
    good = file.read_text()
    document = json.loads(good)
    for bad in (good.replace("192.0.2.1", "192.0.2.9"), good[:-5], "[]", "{}", json.dumps({**document, "views": 3})):
        file.write_text(bad)
        assert shelf.load() == ([], 0.0)
