"""Services as operators see them: as the file has them, as they are, and what clients got of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from graydns.control.asking import read_name
from graydns.control.live import Live, Override, Stay
from graydns.control.overrides import find, override_service
from graydns.control.plain import moment, plain, service, shares
from graydns.control.state import State
from graydns.model.errors import ControlError
from graydns.model.name import from_text, to_text
from graydns.model.policy import Service


@frozen
class Found:
    """A service: its *name* as text and as *wire*, its *tenant*, and *file*: what its file and the policy say."""

    name: str
    wire: bytes
    tenant: str
    file: Service


def look_up(state: State, name: str) -> Found:
    """The service called *name*. Raises ControlError."""
    wire = read_name(name)
    if (found := find(state.base, wire)) is None:
        raise ControlError(f"there is no service {to_text(wire)}")
    return Found(to_text(wire), wire, *found)


def override_of(live: Live, found: Found) -> Override:
    """What is changed of a service; nothing, if it was another tenant's when that was done."""
    override = live.services.get(found.name, Override())
    return override if override.tenant in (None, found.tenant) else Override(found.tenant)


def every(state: State, tenant: str | None) -> list[dict[str, Any]]:
    """All services in short, or those of *tenant*."""
    return [
        {
            "name": (text := to_text(name)),
            "tenant": file.tenant_id,
            "zone": to_text(file.zone),
            "default": one.default,
            "versions": list(one.versions),
            "live": text in state.live.services or state.is_off(file.tenant_id),
        }
        for file in state.base.zone_files
        if tenant in (None, file.tenant_id)
        for name, one in file.services.items()
    ]


def show(state: State, name: str) -> dict[str, Any]:
    """One service in full."""
    found = look_up(state, name)
    override = override_of(state.live, found)
    off = state.is_off(found.tenant)
    zone = state.base.zones.find(found.wire)
    return {
        "name": found.name,
        "tenant": found.tenant,
        "zone": None if zone is None else to_text(zone.origin),
        "configured": service(_in_files(state, found)),
        "policy": None if found.file == _in_files(state, found) else shares(found.file),
        "effective": effective(state, found, state.live),
        "live": [one for one in drifts(state) if (one["service"], one["tenant"]) == (found.name, found.tenant)],
        "aborted": override.abort is not None or found.wire in state.aborts,
        "gray_off": off,
        "unfit": state.unfit.get(found.name),
        "asked": asked(state, found),
        "consul": from_consul(state, found),
        "served": _served(state, found),
    }


def effective(state: State, found: Found, live: Live) -> dict[str, Any]:
    """What of a service can be changed live, as it is with *live*."""
    override = override_of(live, found)
    aborted, off = override.abort is not None or found.wire in state.aborts, state.is_off(found.tenant, live)
    if aborted or off:
        return {**_nothing(), "aborted": aborted, "gray_off": off}
    changed = found.file if found.name in state.unfit else override_service(found.file, override)
    return {**shares(changed), "aborted": False, "gray_off": False}


def drifts(state: State) -> Iterator[dict[str, Any]]:
    """Where what is live departs from the files, a field at a time."""
    for name, override in state.live.services.items():
        found = find(state.base, from_text(name))
        file = None if found is None else shares(found[1])
        for field, stay in override.fields().items():
            yield {
                "service": name,
                "tenant": override.tenant or (None if found is None else found[0]),
                "field": field,
                "file": file and file.get(field),
                "live": _live(field, override, stay),
                "actor": stay.actor,
                "at": moment(stay.at),
                "until": moment(stay.until),
                "unfit": state.unfit.get(name),
            }


def asked(state: State, found: Found) -> dict[str, float]:
    """Per cent of the clients that each version is meant to get, rules and whitelists aside."""
    compiled = state.server.snapshot.routers[found.tenant].services[found.wire]
    parts = dict.fromkeys(found.file.versions, 0)
    for start, end, version in compiled.split.segments:
        parts[version] += end - start
    return {version: part / 10_000 for version, part in parts.items()}


def _in_files(state: State, found: Found) -> Service:
    """What its file alone says."""
    there = find(state.plain, found.wire)
    return found.file if there is None else there[1]


def from_consul(state: State, found: Found) -> dict[str, dict[str, Any]]:
    """What became of the versions that come from Consul."""
    compiled = state.server.snapshot.routers[found.tenant].services[found.wire]
    return {
        version: {
            "state": one.state,
            "healthy": one.healthy,
            "instances": one.instances,
            "emptied": one.is_emptied,
            "endpoints": [] if one.is_emptied else [member.name for member in compiled.pools[version].members],
            "why": str(one),
        }
        for version, one in compiled.health.items()
    }


def _served(state: State, found: Found) -> dict[str, Any] | None:
    """What clients got lately: queries and distinct clients, and per cent of both; None if nobody counts."""
    if state.shares is None:
        return None
    served = state.shares.served(found.tenant, found.name)
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


def _live(field: str, override: Override, stay: Stay) -> Any:
    if field == "abort":
        return "default version only"
    if override.percent is stay:
        return shares(Service({}, "", percent=override.percent.value))["percent"]
    return plain(getattr(stay, "value", None))


def _nothing() -> dict[str, Any]:
    return {"percent": {}, "weights": {}, "ranges": {}, "whitelist": {}}
