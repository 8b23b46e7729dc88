"""Serving: what the front answers from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from attrs import field, frozen

from graydns.fast.peer import Peers
from graydns.fast.quota import Quota
from graydns.gray.plan import Plan
from graydns.model.answer import Answer
from graydns.model.catalog import View
from graydns.model.query import Query


class Pipeline(Protocol):
    """What answers a miss; never raises (``resolve.pipeline``)."""

    async def resolve(self, query: Query) -> Answer:
        """The answer to *query*, errors included."""


@frozen(eq=False)
class Serving:
    """The running Snapshot as the front sees it; replaced in one assignment.

    *plan*: (name, type, asker's tenant) to the Plan that applies. *quotas*: of the tenants that have one. *is_current*:
    whether answers made of a view of Consul's catalog may be kept. *moving*: names, in wire form,
    whose answers are forgotten by name when Consul says so. A query keeps the Serving it began with.
    """

    pipeline: Pipeline
    plan: Callable[[bytes, int, str], Plan]
    peers: Peers = field(repr=False)
    quotas: Mapping[str, Quota] = field(factory=dict, repr=False)
    is_current: Callable[[View], bool] = field(default=lambda view: False, repr=False)
    moving: frozenset[bytes] = field(default=frozenset(), repr=False)
