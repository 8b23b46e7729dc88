"""Consul's JSON: what is read of it, and that nothing odd in it does harm."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.model.catalog import CRITICAL, PASSING, WARNING, InstanceWeights, ServiceView
from graydns.model.errors import ConsulReplyError
from graydns.sources.consul.catalog_parser import read_node, read_service
from tests.authority.consul_asking import recording

_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
_keys = st.sampled_from(
    "Node Service Checks Address ID Tags Meta Weights Passing Warning Port Status web".split()  # noqa: SIM905
)
_documents = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=5), max_leaves=20
)

READERS: list[Callable[[Any], object]] = [
    lambda document: read_service("web", document),
    lambda document: read_node("n1", document),
]


def _api() -> Any:
    return copy.deepcopy(recording()["health"]["api"])


def _replace(document: Any, path: list[Any], value: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


def test_health_of_a_service() -> None:
    """The worst check counts, of the node as of the service; maintenance is a critical check; no check passes."""
    view = read_service("api", _api())
    assert {instance.qualified_id: instance.status for instance in view.instances} == {
        "n1/api-1": PASSING,
        "n1/api-8": CRITICAL,
        "n2/api-1": WARNING,
        "n2/api-9": PASSING,
        "n3/api-1": CRITICAL,
        "n6/api-1": CRITICAL,
        "n7/api-1": CRITICAL,
    }
    assert [instance.weight for instance in view.instances] == [1, 0, 3, 1, 0, 0, 0]


def test_fields_of_an_instance() -> None:
    """Everything that answers and versions need."""
    (first, second, *_) = read_service("web", recording()["health"]["web"]).instances
    assert (first.node, first.node_address, first.service, first.id) == ("n1", "10.0.0.1", "web", "web-1")
    assert (first.address, first.host, first.port, first.tags) == ("", "10.0.0.1", 8080, ("v1", "primary"))
    assert second.weights == InstanceWeights(10, 1)


def test_order_is_ours() -> None:
    """Two servers of Consul's may list instances differently; that is no change."""
    document = _api()
    view = read_service("api", document)
    assert read_service("api", document[::-1], view) is view


def test_what_does_not_matter_is_no_change() -> None:
    """Indexes and the output of checks change with every wake-up; what answers are made of makes a new view."""
    document = _api()
    view = read_service("api", document)
    document[0]["Service"]["ModifyIndex"] += 5
    document[0]["Checks"][0]["Output"] = "still well"
    assert read_service("api", document, view) is view
    document[0]["Checks"][0]["Status"] = CRITICAL
    changed = read_service("api", document, view)
    assert changed is not view
    assert changed.instances != view.instances


def test_a_service_that_is_gone() -> None:
    """An empty list is a view without instances."""
    view = read_service("gone", [])
    assert view.instances == ()
    assert read_service("gone", [], view) is view
    assert read_service("gone", [], ServiceView("gone", read_service("api", _api()).instances)) is not view


def test_nodes() -> None:
    """Null is a node that does not exist; one that is told again is the same object."""
    assert read_node("zz", None).address is None
    for name, document in recording()["node"].items():
        node = read_node(name, document)
        assert node.address == document["Node"]["Address"]
        assert read_node(name, document, node) is node


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ([0], "text"),
        ([0, "Service"], None),
        ([0, "Node"], []),
        ([0, "Service", "Port"], "80"),
        ([0, "Service", "Port"], True),
        ([0, "Service", "Tags"], "v1"),
        ([0, "Service", "Tags"], [1]),
        ([0, "Service", "Meta"], {"a": 1}),
        ([0, "Service", "Weights"], {"Passing": 1.5}),
        ([0, "Service", "Address"], "\ud800"),
        ([0, "Checks"], {}),
        ([0, "Checks", 0, "Status"], 1),
    ],
)
def test_one_mistake_costs_one_instance(path: list[Any], value: Any) -> None:
    """What cannot be read is left out and told; the others are there. Of nothing but mistakes nothing is taken."""
    document, reasons = _api(), list[str]()
    wanted = read_service("api", document[1:]).instances
    _replace(document, path, value)
    assert read_service("api", document, None, reasons.append).instances == wanted
    assert len(reasons) == 1
    with pytest.raises(ConsulReplyError):
        read_service("api", document[:1])


def test_numbers_that_records_have_no_room_for() -> None:
    """Consul takes any: an instance keeps its address without a port, and has the nearest weight."""
    document = _api()
    for port, weights, expected in (
        (70000, {"Passing": 70000, "Warning": -1}, (None, InstanceWeights(65535, 0))),
        (-1, {"Passing": -5}, (None, InstanceWeights(0, 1))),
        (65535, None, (65535, InstanceWeights(1, 1))),
    ):
        document[0]["Service"] |= {"Port": port, "Weights": weights, "ID": "odd"}
        (read,) = [one for one in read_service("api", document).instances if one.id == "odd"]
        assert (read.port, read.weights) == expected


@pytest.mark.parametrize("key", ["Tags", "Meta", "Weights"])
def test_null_is_nothing(key: str) -> None:
    """Go writes empty lists and maps so."""
    document = _api()
    _replace(document, [0, "Service", key], None)
    assert read_service("api", document).instances


def test_a_state_nobody_knows_warns() -> None:
    """As in Consul: only what is critical is out."""
    document = _api()
    document[0]["Checks"][0]["Status"] = "odd"
    assert WARNING in {instance.status for instance in read_service("api", document).instances}


@given(_documents)
def test_odd_documents_raise_nothing_else(document: Any) -> None:
    """Whatever JSON comes: it is read or it is ConsulReplyError."""
    for reader in READERS:
        with suppress(ConsulReplyError):
            reader(document)


@given(st.data())
def test_odd_values_raise_nothing_else(data: st.DataObject) -> None:
    """A real answer with one value replaced by something else is read or it is ConsulReplyError."""
    document = json.loads(json.dumps(recording()["health"]["web"][:2]))
    place, path = document, []
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        path.append(key)
        place = place[key]
        if data.draw(st.booleans()):
            break
    _replace(document, path, data.draw(_documents))
    with suppress(ConsulReplyError):
        assert len(read_service("web", document).instances) <= 2
