"""ControlPlane: what operators see of a running server, and what they change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version

from attrs import asdict, field, frozen

from graydns.control import service_overrides
from graydns.control.arguments import check_has_cache, parse_cohort, parse_name
from graydns.control.collaborators import (
    CatalogStatus,
    ControlObservers,
    KillSwitchOperations,
    PolicyOperations,
    Table,
    require_part,
)
from graydns.control.core import ControlCore
from graydns.control.reports import caches, explanations, services
from graydns.control.reports.plain_data import format_time, to_plain
from graydns.control.service_overrides import ShareChange
from graydns.model.catalog import CatalogFeedFigures
from graydns.model.name import to_text
from graydns.model.transport import UDP
from graydns.runtime.slices import run_in_slices
from graydns.sources.reading import ZoneEntry


@frozen(eq=False)
class ControlPlane:
    """Each operation of ``graydns.operations`` is a method of the same name.

    *observers*: what observes the server. *policies*, *kill_switch*: None = no policies in Consul's KV. *catalog*:
    None = no Consul.
    """

    core: ControlCore
    observers: ControlObservers = field(factory=ControlObservers, repr=False)
    policies: PolicyOperations | None = field(default=None, repr=False)
    kill_switch: KillSwitchOperations | None = field(default=None, repr=False)
    catalog: CatalogStatus | None = field(default=None, repr=False)

    # What operators see.

    def status(self) -> Table:
        """What runs, since when, and how it differs from the files."""
        state = self.core.state
        snapshot, live = state.server.snapshot, state.live
        drift = [*services.list_drift(state), *self.core.negative_trust_anchors.list_drift()]
        return {
            "version": version("graydns"),
            "snapshot": snapshot.number,
            "since": format_time(state.since),
            "started": format_time(state.started),
            "uptime": round(state.wall() - state.started, 3),
            "ready": self.observers.ready(),
            "doors": [str(door) for door in self.observers.listeners()],
            "zones": len(snapshot.zone_files),
            "services": sum(len(file.services) for file in snapshot.zone_files),
            "gray_off": state.gray_off,
            "consul": None if self.catalog is None else _rounded_figures(self.catalog.figures()),
            "policy": None if self.policies is None else self.policies.status(),
            "pinned": None if live.pin is None else live.pin.number,
            "drift": drift,
            "vanished": sorted(map(to_text, state.files.vanished)),
            "faulty": {str(path): list(map(str, faults)) for path, faults in state.files.faults.items()},
            "restart": list(state.files.restart_keys),
            "last_reload": {**state.last_reload, "at": format_time(state.last_reload["at"])},
            "reloads": dict(state.reload_counts),
            "warnings": list(self._warnings()),
        }

    def config(self) -> Table:
        """The configuration that is in effect, with defaults."""
        return dict(to_plain(self.core.state.server.snapshot.config))

    def zones(self, tenant: str | None = None) -> list[Table]:
        """All zones, or those of *tenant*."""
        state = self.core.state
        return [
            {
                "zone": to_text(entry.config.zone),
                "tenant": entry.config.tenant_id,
                "serial": entry.zone.serial,
                "config_version": ".".join(map(str, entry.config.config_version)),
                "names": entry.zone.size,
                "services": len(entry.config.services),
                "rules": len(entry.config.rules),
                "state": self._zone_state(entry),
                "file": str(entry.path),
            }
            for entry in state.served_reading.zones.values()
            if tenant in (None, entry.config.tenant_id)
        ]

    def history(self) -> list[Table]:
        """The last snapshots, oldest first."""
        running = self.core.state.base_snapshot.number
        return [
            {**record.to_plain(), "at": format_time(record.at), "running": record.number == running}
            for record in self.core.reloader.history.records
        ]

    async def explain(
        self,
        name: str,
        rdtype: str,
        source: str | None = None,
        subnet: str | None = None,
        client: str | None = None,
        tags: Mapping[str, str] | Sequence[str] | None = None,
        transport: str = UDP.name,
        tenant: str | None = None,
    ) -> Table:
        """How the query of a client would be decided, and why. Raises ControlError."""
        snapshot = self.core.state.server.snapshot
        asked = (name, rdtype, source, subnet, client, tags, transport, tenant)
        return await run_in_slices(self.core.reactor, explanations.explain_decision(snapshot, *asked))

    def services(self, tenant: str | None = None) -> list[Table]:
        """All services, or those of *tenant*."""
        return services.list_services(self.core.state, tenant)

    def service_show(self, name: str) -> Table:
        """One service as configured and in effect, and what it served."""
        return services.describe_service(self.core.state, name)

    def cache_stats(self) -> Table:
        """Sizes, limits and hits of the caches."""
        return caches.describe_caches(self.core.state.server)

    def cache_lookup(self, name: str, rdtype: str) -> list[Table]:
        """The cached answers for a question."""
        return caches.find_cached_answers(self.core.state.server, name, rdtype)

    def nta_list(self) -> list[Table]:
        """The negative trust anchors in force, the configured ones first."""
        return self.core.negative_trust_anchors.list_anchors()

    async def dnssec_explain(self, name: str, rdtype: str, tenant: str | None = None, cd: bool = False) -> Table:
        """The DNSSEC validation of an upstream's answer, step by step; with *cd* also its records."""
        return await explanations.explain_validation(self.core.state.server, name, rdtype, tenant, cd)

    def upstreams(self) -> list[Table]:
        """All upstream servers and their states."""
        return caches.list_upstreams(self.core.state.server)

    def why(self, client: str, tenant: str | None = None) -> list[Table]:
        """The last answers to a client, and why it got them; *tenant*: only those of that tenant."""
        return require_part(self.observers.why, "this server does not record answers").why(client, tenant)

    def trace_watch(self, name: str, on: bool) -> Table:
        """Start or stop tracing queries for *name*."""
        return require_part(self.observers.traces, "this server does not trace queries").watch(name, on)

    def trace(self, name: str, last: int = 20) -> list[Table]:
        """The last traces for *name*."""
        return require_part(self.observers.traces, "this server does not trace queries").last(name, last)

    def audit_tail(self, last: int = 50, tenant: str | None = None) -> list[Table]:
        """The last lines of the audit log."""
        return require_part(self.core.audit, "this server has no audit log").tail(last, tenant)

    def audit_verify(self) -> Table:
        """Whether the audit log is as it was written."""
        return require_part(self.core.audit, "this server has no audit log").verify()

    # What operators change.

    async def reload(self, actor: str, force: bool = False, prune: str | None = None, trigger: str = "reload") -> Table:
        """Load the files. Raises ReloadRefusedError."""
        return await self.core.reloader.reload(trigger, actor, force=force, prune=prune)

    async def reload_force(self, actor: str) -> Table:
        """Load the files also where their ``config_version`` is not higher. Raises ReloadRefusedError."""
        return await self.reload(actor, force=True)

    async def reload_prune(self, zone: str, actor: str) -> Table:
        """Load the files, and remove *zone* if its file has vanished. Raises ReloadRefusedError."""
        return await self.reload(actor, prune=zone)

    async def rollback(self, number: int, actor: str) -> Table:
        """Serve what snapshot *number* was made from. Raises ControlError."""
        return await self.core.reloader.rollback(number, actor)

    async def service_percent(
        self, name: str, percent: Mapping[str, str], actor: str, seconds: float | None = None, local: bool = False
    ) -> Table:
        """Set percentages of clients for versions, for *seconds* or until reverted; *local*: on this node only."""
        return await self._change(name, service_overrides.change_percent(percent), actor, seconds, local)

    async def service_weights(
        self, name: str, weights: Mapping[str, int], actor: str, seconds: float | None = None, local: bool = False
    ) -> Table:
        """Set weights of versions."""
        return await self._change(name, service_overrides.change_weights(weights), actor, seconds, local)

    async def service_whitelist(
        self,
        name: str,
        version: str,
        add: Sequence[str],
        remove: Sequence[str],
        actor: str,
        seconds: float | None = None,
        local: bool = False,
    ) -> Table:
        """Change the whitelist of *version*."""
        return await self._change(name, service_overrides.change_whitelist(version, add, remove), actor, seconds, local)

    async def service_abort(self, name: str, actor: str, local: bool = False) -> Table:
        """Restrict a service to its default version: on all nodes if policies come from Consul's KV, unless *local*."""
        if self.kill_switch is not None and not local:
            return await self.kill_switch.abort(name, actor)
        return await self._change_local(lambda: self.core.live_commands.abort(name, actor))

    async def service_revert(self, name: str, actor: str, local: bool = False, policy: bool = False) -> Table:
        """Remove the live changes of a service, and unless *local* an abort on all nodes.

        *policy*: remove the service from the policy instead, on all nodes.
        """
        if policy:
            return await self._policies().clear(name, actor)
        if self.kill_switch is not None and not local:
            return await self.kill_switch.revert(name, actor)
        return await self._change_local(lambda: self.core.live_commands.revert(name, actor))

    async def policy_list(self) -> list[Table]:
        """The last policy revisions in KV."""
        return await self._policies().list()

    async def policy_show(self, revision: int | None = None) -> Table:
        """One revision, None = the active one, in the form in which it is pushed."""
        return await self._policies().show(revision)

    async def policy_draft(
        self,
        name: str,
        actor: str,
        percent: Mapping[str, str] | None = None,
        weights: Mapping[str, int] | None = None,
        whitelist: Mapping[str, Sequence[str]] | None = None,
        version: str = "",
    ) -> Table:
        """The next revision with a service changed, or removed if no change is given; neither signed nor published."""
        share_change = None
        if percent is not None:
            share_change = service_overrides.change_percent(percent)
        elif weights is not None:
            share_change = service_overrides.change_weights(weights)
        elif whitelist is not None:
            share_change = service_overrides.change_whitelist(
                version, whitelist.get("add", ()), whitelist.get("remove", ())
            )
        return await self._policies().draft(name, share_change, actor)

    async def policy_name(self, text: str) -> Table:
        """The number, tenant and digest of the revision *text*."""
        return await self._policies().name(text)

    async def policy_push(self, text: str, actor: str, activate: bool = True, base: int | None = None) -> Table:
        """Publish a revision, and *activate* it; *base*: only while that one is active."""
        return await self._policies().push(text, activate, base)

    async def policy_activate(self, revision: int, actor: str) -> Table:
        """Activate a revision that is in KV."""
        return await self._policies().activate(revision)

    async def policy_reset(self, revision: int, actor: str) -> Table:
        """Set the highest revision that this node has accepted to *revision*."""
        return await self._policies().reset(revision)

    async def gray_off(self, tenant: str | None, actor: str, local: bool = False) -> Table:
        """Restrict all services, or those of *tenant*, to their default versions; on all nodes as with an abort."""
        if self.kill_switch is not None and not local:
            return await self.kill_switch.switch_off(tenant, actor)
        return await self._change_local(lambda: self.core.live_commands.switch_off(tenant, actor))

    async def gray_on(self, tenant: str | None, actor: str, local: bool = False) -> Table:
        """Undo :meth:`gray_off`."""
        if self.kill_switch is not None and not local:
            return await self.kill_switch.switch_on(tenant, actor)
        return await self._change_local(lambda: self.core.live_commands.switch_on(tenant, actor))

    async def cache_flush(
        self, name: str | None = None, cohort: str | None = None, tenant: str | None = None, *, actor: str
    ) -> Table:
        """Remove cached answers."""
        server = self.core.state.server
        if tenant is not None:
            check_has_cache(server.snapshot, tenant)
        flushed = server.flush_answers(
            None if name is None else parse_name(name), None if cohort is None else parse_cohort(cohort), tenant
        )
        return {"before": None, "after": None, "flushed": flushed}

    async def nta_add(self, name: str, seconds: float, reason: str, actor: str) -> Table:
        """Do not validate *name* and below for *seconds*."""
        return await self.core.run_exclusively(
            lambda: self.core.negative_trust_anchors.add(name, seconds, reason, actor)
        )

    async def nta_remove(self, name: str, actor: str) -> Table:
        """Undo :meth:`nta_add`."""
        return await self.core.run_exclusively(lambda: self.core.negative_trust_anchors.remove(name, actor))

    def log_level(self, level: str, actor: str) -> Table:
        """Log messages of *level* and above."""
        before = require_part(self.observers.level, "the log level of this server cannot be changed")(level)
        return {"before": {"level": before}, "after": {"level": level}}

    async def _change(
        self, name: str, share_change: ShareChange, actor: str, seconds: float | None, local: bool
    ) -> Table:
        if self.policies is not None and not local:
            return await self.policies.change(name, share_change, actor, seconds)
        return await self._change_local(lambda: self.core.live_commands.change(name, share_change, actor, seconds))

    async def _change_local(self, change: Callable[[], Awaitable[Table]]) -> Table:
        """A live change of this node; the reply says so where policies are shared by several nodes."""
        done = await self.core.run_exclusively(change)
        return done if self.policies is None else {**done, "nodes": "this one"}

    def _policies(self) -> PolicyOperations:
        return require_part(self.policies, "there are no policies in Consul's KV: consul.policy is not configured")

    def _zone_state(self, entry: ZoneEntry) -> str:
        return (
            "vanished"
            if entry.config.zone in self.core.state.files.vanished
            else "faulty"
            if entry.source_id in self.core.state.files.faults
            else "ok"
        )

    def _warnings(self) -> Sequence[str]:
        state = self.core.state
        data = [warning for entry in state.served_reading.zones.values() for warning in entry.loaded.warnings]
        return (*state.files.warnings, *data, *state.server.snapshot.warnings)


def _rounded_figures(figures: CatalogFeedFigures) -> Table:
    return {**asdict(figures), "age": round(figures.age, 1)}
