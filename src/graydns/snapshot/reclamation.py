"""Which collections of a Snapshot are reclaimed in small steps once no query uses it any more."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

from graydns.gray.router import Router
from graydns.runtime.reclaimer import DeferredReclaimer
from graydns.runtime.steps import release_items, release_mapping
from graydns.snapshot.snapshot import Snapshot


def watch_snapshot(reclaimer: DeferredReclaimer, snapshot: Snapshot) -> None:
    """Let *reclaimer* free what *snapshot* holds, each part once the last Snapshot with that part is gone."""
    for router in snapshot.routers.values():
        watch_router(reclaimer, router)
    for zone in snapshot.zones:
        reclaimer.reclaim_after(zone, partial(release_items, zone.shards))
    for file in snapshot.zone_files:
        reclaimer.reclaim_after(file, partial(release_mapping, file.services))


def watch_router(reclaimer: DeferredReclaimer, router: Router) -> None:
    """Let *reclaimer* free what *router* holds, and what it shares with other Routers once the last of them is gone."""
    reclaimer.reclaim_after(router, router.reclaim_steps)
    reclaimer.reclaim_after(router.rule_index, partial(_release_policy, router))


def _release_policy(router: Router) -> Iterator[None]:
    """The steps for what all Routers of one policy share. They must not refer to the rule index, which is the owner."""
    shared = chain(router.rule_index.reclaim_steps(), router.networks.reclaim_steps())
    return chain(shared, release_mapping(router.services), release_items(router.rules))
