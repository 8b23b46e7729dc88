"""Services for operators: as configured, in effect, and what they served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graydns.control.live_changes import ChangeRecord, LiveChanges, ServiceOverride
from graydns.control.reports.plain_data import format_time, service_to_plain, shares_to_plain, to_plain
from graydns.control.service_overrides import (
    ServiceReference,
    find_in_snapshot,
    find_override,
    find_service,
    override_service,
)
from graydns.control.state import ControlState
from graydns.model.name import from_text, to_text
from graydns.model.policy import ServicePolicy


def list_services(state: ControlState, tenant: str | None) -> list[dict[str, Any]]:
    """A summary of all services, or those of *tenant*."""
    return [
        {
            "name": (text := to_text(name)),
            "tenant": file.tenant_id,
            "zone": to_text(file.zone),
            "default": one.default,
            "versions": list(one.versions),
            "live": text in state.live.services or state.is_switched_off(file.tenant_id),
        }
        for file in state.base_snapshot.zone_files
        if tenant in (None, file.tenant_id)
        for name, one in file.services.items()
    ]


def describe_service(state: ControlState, name: str) -> dict[str, Any]:
    """Everything about one service. Raises ControlError."""
    found = find_service(state.base_snapshot, name)
    override = find_override(state.live, found)
    off = state.is_switched_off(found.tenant)
    zone = state.base_snapshot.zones.find(found.wire)
    return {
        "name": found.name,
        "tenant": found.tenant,
        "zone": None if zone is None else to_text(zone.origin),
        "configured": service_to_plain(_find_file_service(state, found)),
        "policy": None if found.configured == _find_file_service(state, found) else shares_to_plain(found.configured),
        "effective": describe_effective(state, found, state.live),
        "live": [one for one in list_drift(state) if (one["service"], one["tenant"]) == (found.name, found.tenant)],
        "aborted": override.abort is not None or found.wire in state.aborts,
        "gray_off": off,
        "unfit": state.unfit.get(found.name),
        "asked": compute_target_shares(state, found),
        "consul": describe_consul_versions(state, found),
        "served": _served_shares(state, found),
    }


def describe_effective(state: ControlState, found: ServiceReference, live: LiveChanges) -> dict[str, Any]:
    """The shares and whitelists of a service in effect with *live*."""
    override = find_override(live, found)
    aborted, off = override.abort is not None or found.wire in state.aborts, state.is_switched_off(found.tenant, live)
    if aborted or off:
        return {**_empty_shares(), "aborted": aborted, "gray_off": off}
    changed = found.configured if found.name in state.unfit else override_service(found.configured, override)
    return {**shares_to_plain(changed), "aborted": False, "gray_off": False}


def list_drift(state: ControlState) -> Iterator[dict[str, Any]]:
    """The differences between live changes and the files, one field a row."""
    for name, override in state.live.services.items():
        found = find_in_snapshot(state.base_snapshot, from_text(name))
        file = None if found is None else shares_to_plain(found[1])
        for field, record in override.records().items():
            yield {
                "service": name,
                "tenant": override.tenant or (None if found is None else found[0]),
                "field": field,
                "file": file and file.get(field),
                "live": _live_value(field, override, record),
                "actor": record.actor,
                "at": format_time(record.at),
                "until": format_time(record.until),
                "unfit": state.unfit.get(name),
            }


def compute_target_shares(state: ControlState, found: ServiceReference) -> dict[str, float]:
    """The percentage of clients that each version is to get, apart from rules and whitelists."""
    compiled = state.server.snapshot.routers[found.tenant].services[found.wire]
    parts = dict.fromkeys(found.configured.versions, 0)
    for start, end, version in compiled.split.segments:
        parts[version] += end - start
    return {version: part / 10_000 for version, part in parts.items()}


def _find_file_service(state: ControlState, found: ServiceReference) -> ServicePolicy:
    """The service as its file has it, without the policy."""
    in_file = find_in_snapshot(state.file_snapshot, found.wire)
    return found.configured if in_file is None else in_file[1]


def describe_consul_versions(state: ControlState, found: ServiceReference) -> dict[str, dict[str, Any]]:
    """The health of the versions that come from Consul."""
    compiled = state.server.snapshot.routers[found.tenant].services[found.wire]
    return {
        version: {
            "state": one.state,
            "healthy": one.healthy,
            "instances": one.instances,
            "emptied": one.uses_default,
            "endpoints": [] if one.uses_default else [member.name for member in compiled.pools[version].members],
            "why": str(one),
        }
        for version, one in compiled.health.items()
    }


def _served_shares(state: ControlState, found: ServiceReference) -> dict[str, Any] | None:
    """What each version served lately: queries and distinct clients, with percentages; None if it is not counted."""
    if state.shares is None:
        return None
    served = state.shares.version_traffic(found.tenant, found.name)
    queries = sum(one.queries for one in served.values())
    clients = sum(one.clients or 0 for one in served.values())
    return {
        version: {
            "queries": one.queries,
            "queries_percent": round(100 * one.queries / queries, 4) if queries else None,
            "clients": one.clients,
            "clients_percent": round(100 * one.clients / clients, 4) if clients and one.clients is not None else None,
        }
        for version, one in served.items()
    }


def _live_value(field: str, override: ServiceOverride, record: ChangeRecord) -> Any:
    if field == "abort":
        return "default version only"
    if override.percent is record:
        return shares_to_plain(ServicePolicy({}, "", percent=override.percent.value))["percent"]
    return to_plain(getattr(record, "value", None))


def _empty_shares() -> dict[str, Any]:
    return {"percent": {}, "weights": {}, "ranges": {}, "whitelist": {}}
