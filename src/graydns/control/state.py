"""State: what is served and where it comes from; every change of it ends in one swap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, Protocol

from attrs import define, evolve, field
from twisted.internet.defer import DeferredLock

from graydns.config.main import Config
from graydns.control.keeper import Keeper
from graydns.control.layering import with_shares
from graydns.control.live import Live, Override, Stay
from graydns.control.overrides import apply, find, is_off
from graydns.gray.service import CompiledService
from graydns.model.errors import Fault
from graydns.model.name import to_text
from graydns.server import Server
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.policy.acceptance import Revision
from graydns.sources.reading import Reading


class Served(Protocol):
    """What a version served lately. *clients*: distinct ones, None where they are not told apart."""

    @property
    def queries(self) -> int:
        """How many."""

    @property
    def clients(self) -> int | None:
        """About how many."""


class Shares(Protocol):
    """Counts what versions serve."""

    def served(self, tenant: str, service: str) -> Mapping[str, Served]:
        """What each version of *service* served lately."""

    def restart(self, services: Set[tuple[str, str]]) -> None:
        """Count these (tenant, service) anew: who gets what of them has changed."""


@define(eq=False)
class State:
    """*served*: what was read of files and is served; *plain*: the Snapshot of it, with the rules of *revision*;
    *base*: that with its shares too; *live*: what operators changed; *keeper*: has it on the disk.

    *revision*: the one of Consul's KV that runs; *aborts*: services that are aborted there, by name in wire form;
    *off*: tenants that are off there, or ALL; *misfits*: shares of the revision that no longer fit the files, and are
    left out.

    *began*: the configuration that the process was started with. *unfit*: live changes that do not fit, by service.
    *vanished*: zones without a file. *faults*: what was not taken of the files, by file. *waiting*: keys that wait for
    a restart. *since*, *started*: Unix seconds of the last swap and of the start. *last*: the last attempt at a reload,
    as ``status`` tells it. *counts*: attempts by outcome. *wall*: Unix seconds.
    """

    server: Server
    served: Reading = field(repr=False)
    wall: Callable[[], float] = field(repr=False)
    shares: Shares | None = field(default=None, repr=False)
    began: Config = field(init=False, repr=False)
    plain: Snapshot = field(init=False, repr=False)
    base: Snapshot = field(init=False)
    revision: Revision | None = field(init=False, default=None)
    aborts: Mapping[bytes, Stay] = field(init=False, factory=dict)
    off: Mapping[str, Stay] = field(init=False, factory=dict)
    misfits: tuple[Fault, ...] = field(init=False, default=())
    live: Live = field(init=False, factory=Live)
    keeper: Keeper = field(init=False, repr=False)
    unfit: Mapping[str, str] = field(init=False, factory=dict)
    vanished: frozenset[bytes] = field(init=False, default=frozenset())
    faults: Mapping[Path, tuple[Fault, ...]] = field(init=False, factory=dict)
    waiting: tuple[str, ...] = field(init=False, default=())
    notes: tuple[str, ...] = field(init=False, default=())
    since: float = field(init=False)
    started: float = field(init=False)
    last: dict[str, Any] = field(init=False)
    counts: Counter[str] = field(init=False, factory=Counter)
    lock: DeferredLock = field(init=False, factory=DeferredLock, repr=False)

    def __attrs_post_init__(self) -> None:
        self.plain = self.base = self.server.snapshot
        self.began = self.base.config
        self.keeper = Keeper(self.began.data)
        self.since = self.started = self.wall()
        self.last = {"ok": True, "at": self.started, "trigger": "start", "actor": "", "errors": []}

    def lay(self, plain: Snapshot, live: Live) -> None:
        """Serve *plain*, with the shares of the revision, and *live* on top, from the next query on."""
        base = plain
        misfits: tuple[Fault, ...] = ()
        if self.revision is not None:
            shared = with_shares(plain, self.revision)
            base, misfits = shared.snapshot, shared.faults
        self.plain, self.misfits = plain, misfits
        self.serve(base, live)

    def serve(self, base: Snapshot, live: Live) -> None:
        """Serve *base* with *live* on top from the next query on; what is halted in KV is so whatever *live* says."""
        applied, before = apply(base, self._halted(base, live)), self.server.snapshot
        self.base, self.live, self.unfit = base, live, applied.unfit
        self.server.swap(applied.snapshot)
        self.server.distrust(frozenset(live.negative_trust_anchors))
        if self.shares is not None and (moved := set(_moved(before, applied.snapshot))):
            self.shares.restart(moved)
        self.since = self.wall()

    @property
    def gray_off(self) -> list[str]:
        """Tenants that are off, here or on all nodes, or ALL."""
        return sorted({*self.live.gray_off, *self.off})

    def is_off(self, tenant: str, live: Live | None = None) -> bool:
        """Whether all services of *tenant* give their default; *live* in the place of what is."""
        return is_off(self._switched(live or self.live), tenant)

    def _switched(self, live: Live) -> Live:
        return evolve(live, gray_off={**live.gray_off, **self.off})

    def _halted(self, base: Snapshot, live: Live) -> Live:
        live = self._switched(live)
        for name, stay in self.aborts.items():
            if (found := find(base, name)) is not None:
                live = live.with_service(to_text(name), Override(found[0], abort=stay))
        return live

    def note(self, trigger: str, actor: str, errors: tuple[str, ...] = ()) -> None:
        """Tell how an attempt at a reload ended."""
        self.counts["refused" if errors else "accepted"] += 1
        self.last = {
            "ok": not errors,
            "at": self.wall(),
            "trigger": trigger,
            "actor": actor,
            "errors": list(errors),
        }


def _moved(before: Snapshot, after: Snapshot) -> Iterator[tuple[str, str]]:
    """Tenant and name of the services of which other clients get a version *after*."""
    for tenant, router in after.routers.items():
        if (old := before.routers.get(tenant)) is None or old is router:
            continue
        for name, service in router.services.items():
            was = old.services.get(name)
            if was is not None and was is not service and _clients(was) != _clients(service):
                yield tenant, service.name


def _clients(service: CompiledService) -> object:
    """What tells which clients get which version, rules aside."""
    return service.split, service.listed, service.networks, service.cohort_key, service.key
