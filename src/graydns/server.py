"""Server: the parts of a running graydns that outlive a Snapshot, and the one assignment that swaps it."""

from __future__ import annotations

import time
from typing import Any

from graydns.fast.front import Front, ReplySettings, Serving
from graydns.fast.hot import HotTable
from graydns.fast.peer import NetworkMap, Peers, Trust
from graydns.observe.anomalies import AnomalyLog
from graydns.resolve.pipeline import Stores, build_pipeline
from graydns.snapshot.snapshot import Snapshot

#: What the hot tables may hold of the cache's size; their answers' bytes are mostly the cache's own.
_HOT_SHARE = 4


class Server:
    """Serves one Snapshot after the other. *front*: for the doors."""

    def __init__(self, snapshot: Snapshot, reactor: Any, *, cookie_secrets: tuple[bytes, ...]) -> None:
        config = snapshot.config
        self.anomalies = AnomalyLog(time.monotonic)
        self.snapshot = snapshot
        self._hot: dict[str, HotTable] = {}
        self._stores = Stores(reactor, self.anomalies, lambda: self.snapshot)
        settings = ReplySettings(
            payload=config.limits.udp_payload,
            nsid=None if config.limits.nsid is None else config.limits.nsid.encode(),
            idle=config.limits.tcp_idle,
            cookie_secrets=cookie_secrets,
        )
        self.front = Front(self._serving(snapshot), settings, time.monotonic, time.time, self.anomalies)

    def swap(self, snapshot: Snapshot) -> None:
        """Serve *snapshot* from the next query on; those under way end with the one they began with."""
        for table in self._hot.values():
            table.clear()
        self.snapshot = snapshot
        self.front.serving = self._serving(snapshot)

    def _serving(self, snapshot: Snapshot) -> Serving:
        config = snapshot.config
        trust = Trust(
            ecs=NetworkMap(config.trust.ecs),
            tags=NetworkMap(config.trust.tags),
            forward=NetworkMap(config.allow_forward),
            tenants=NetworkMap({net: name for name, tenant in config.tenants.items() for net in tenant.clients}),
        )
        pipeline = build_pipeline(snapshot, self._stores)
        return Serving(pipeline, snapshot.plan, Peers(trust, self._hot_of))

    def _hot_of(self, tenant: str) -> HotTable:
        """The hot table of a tenant's askers."""
        if tenant not in self._hot:
            self._hot[tenant] = HotTable(self.snapshot.config.cache.size // _HOT_SHARE)
        return self._hot[tenant]
