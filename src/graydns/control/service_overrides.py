"""Service overrides: live changes of shares and whitelists, checked, and applied to the services of a Snapshot. Pure.

A service that is aborted, or whose tenant is switched off, is compiled with its default version only, so no whitelist,
share or rule that names another version applies. A ShareChange is applied to the override that there is;
``live_commands`` stores the result on this node, ``policy.drafts`` writes it to a policy revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import evolve, field, frozen

from graydns.config.issues import ValidationError
from graydns.config.policy_schema import read_whitelist_entry
from graydns.config.scalar import Integer, read_percent
from graydns.control.arguments import parse_name
from graydns.control.live_changes import (
    ALL_TENANTS,
    LiveChanges,
    PercentChange,
    ServiceOverride,
    WeightsChange,
    WhitelistChange,
    WhitelistDelta,
)
from graydns.gray.compiled_service import CompiledService, compile_service
from graydns.gray.router import Router
from graydns.gray.split import build_split
from graydns.model.errors import ConfigIssue, ControlError, PolicyIssues
from graydns.model.name import from_text, to_text
from graydns.model.policy import ServicePolicy
from graydns.snapshot.snapshot import Snapshot


@frozen
class OverlaidSnapshot:
    """*snapshot*: with the live changes. *unfit*: why the change of a service does not fit and is left out, by name."""

    snapshot: Snapshot
    unfit: Mapping[str, str] = field(factory=dict)


def overlay_live_changes(base: Snapshot, live: LiveChanges) -> OverlaidSnapshot:
    """*base* with *live* applied. Changes that do not fit are left out."""
    unfit: dict[str, str] = {}
    changed: dict[str, dict[bytes, CompiledService]] = {}
    for name, override in live.services.items():
        wire = from_text(name)
        if (found := find_in_snapshot(base, wire)) is None:
            unfit[name] = "there is no such service"
            continue
        tenant, service = found
        if override.tenant not in (None, tenant):
            unfit[name] = "the service is another tenant's now"
            continue
        compiled, reason = _compile_override(base.routers[tenant], wire, name, override_service(service, override))
        if override.abort is not None:
            compiled = restrict_to_default(base.routers[tenant].services[wire])
        elif reason is not None:
            unfit[name] = reason
            continue
        changed.setdefault(tenant, {})[wire] = compiled
    for tenant in _switched_off_tenants(base, live):
        services = base.routers[tenant].services.items()
        changed[tenant] = {wire: restrict_to_default(service) for wire, service in services}
    routers = {tenant: base.routers[tenant].with_services(services) for tenant, services in changed.items()}
    snapshot = evolve(base, routers={**base.routers, **routers}) if routers else base
    return OverlaidSnapshot(snapshot, unfit)


@frozen
class ServiceReference:
    """A service: its *name* as text and in *wire* form, its *tenant*, and what its file and the policy say of it."""

    name: str
    wire: bytes
    tenant: str
    configured: ServicePolicy


def find_service(snapshot: Snapshot, name: str) -> ServiceReference:
    """The service *name* of *snapshot*. Raises ControlError."""
    wire = parse_name(name)
    if (found := find_in_snapshot(snapshot, wire)) is None:
        raise ControlError(f"there is no service {to_text(wire)}")
    return ServiceReference(to_text(wire), wire, *found)


def find_override(live: LiveChanges, service: ServiceReference) -> ServiceOverride:
    """The live change of *service*; an empty one if the service belonged to another tenant when it was made."""
    override = live.services.get(service.name, ServiceOverride())
    return override if override.tenant in (None, service.tenant) else ServiceOverride(service.tenant)


def find_in_snapshot(snapshot: Snapshot, name: bytes) -> tuple[str, ServicePolicy] | None:
    """The tenant of the service *name* (wire form), and what its file and the policy say; None if there is none."""
    zone = snapshot.zones.find(name)
    while zone is not None:
        file = snapshot.file_by_zone.get(zone.origin)
        if file is not None and name in file.services:
            return file.tenant_id, file.services[name]
        zone = snapshot.zones.find(zone.origin[1 + zone.origin[0] :]) if len(zone.origin) > 1 else None
    return None


def override_service(service: ServicePolicy, override: ServiceOverride) -> ServicePolicy:
    """*service* with *override* applied, except an abort."""
    if override.percent is not None:
        service = evolve(service, percent={**service.percent, **override.percent.value}, weights={}, ranges={})
    if override.weights is not None:
        service = evolve(service, weights={**service.weights, **override.weights.value}, percent={}, ranges={})
    if override.whitelist is not None:
        listed = {**service.whitelist}
        for version, change in override.whitelist.value.items():
            listed[version] = apply_whitelist_delta(service.whitelist.get(version, ()), change)
        service = evolve(service, whitelist=listed)
    return service


def apply_whitelist_delta(entries: tuple[str, ...], change: WhitelistDelta) -> tuple[str, ...]:
    """The whitelist *entries* with *change* applied."""
    remaining = (entry for entry in entries if entry not in change.remove)
    return tuple(dict.fromkeys((*remaining, *change.add)))


def restrict_to_default(service: CompiledService) -> CompiledService:
    """*service* with its default version only."""
    pools = {service.default: service.pools[service.default]}
    return evolve(
        service, pools=pools, split=build_split((), service.default), whitelist_identities={}, whitelist_networks={}
    )


def check_service(base: Snapshot, tenant: str, name: bytes, text: str, service: ServicePolicy) -> str | None:
    """Why *service* cannot replace the one of *tenant* called *name*; None if it can."""
    return _compile_override(base.routers[tenant], name, text, service)[1]


def is_switched_off(live: LiveChanges, tenant: str) -> bool:
    """Whether all services of *tenant* are restricted to their default version."""
    return ALL_TENANTS in live.gray_off or tenant in live.gray_off


def _switched_off_tenants(base: Snapshot, live: LiveChanges) -> Iterator[str]:
    return (tenant for tenant, router in base.routers.items() if router.services and is_switched_off(live, tenant))


def _compile_override(
    router: Router, wire: bytes, name: str, service: ServicePolicy
) -> tuple[CompiledService, str | None]:
    """The compiled service, and None; or the one that is served, and what is wrong with *service*."""
    issues: list[ConfigIssue] = []
    compiled = compile_service(router.tenant, name, service, PolicyIssues(issues))
    before = router.services[wire]
    if issues:
        issue = issues[0]
        return before, f"{'.'.join(map(str, issue.path))}: found {issue.found}, expected {issue.expected}"
    # The endpoint pools stay the same objects: they keep what they have computed, and are origins of cached answers.
    return evolve(compiled, pools=before.pools), None


#: The fields of a ChangeRecord: actor, at, until.
ChangeRecordFields: TypeAlias = Mapping[str, Any]

#: (service, its override, fields of the change's record) -> its new override.
ShareChange: TypeAlias = Callable[[ServiceReference, ServiceOverride, ChangeRecordFields], ServiceOverride]

_read_weight = Integer(0, 1_000_000)


def change_percent(shares: Mapping[str, str]) -> ShareChange:
    """Set the percentages of versions; versions that are not named keep theirs."""
    value = {version: _read_value(read_percent, text, version) for version, text in shares.items()}

    def apply(service: ServiceReference, before: ServiceOverride, record: ChangeRecordFields) -> ServiceOverride:
        _check_versions(service, value)
        earlier = {} if before.percent is None else before.percent.value
        return evolve(before, percent=PercentChange(value={**earlier, **value}, **record), weights=None)

    return apply


def change_weights(shares: Mapping[str, int]) -> ShareChange:
    """Set the weights of versions; versions that are not named keep theirs."""
    value = {version: _read_value(_read_weight, str(weight), version) for version, weight in shares.items()}

    def apply(service: ServiceReference, before: ServiceOverride, record: ChangeRecordFields) -> ServiceOverride:
        _check_versions(service, value)
        earlier = {} if before.weights is None else before.weights.value
        return evolve(before, weights=WeightsChange(value={**earlier, **value}, **record), percent=None)

    return apply


def change_whitelist(version: str, add: Sequence[str], remove: Sequence[str]) -> ShareChange:
    """Add entries to the whitelist of *version*, and remove others."""
    for entry in (*add, *remove):
        _read_value(read_whitelist_entry, entry, "whitelist")

    def apply(service: ServiceReference, before: ServiceOverride, record: ChangeRecordFields) -> ServiceOverride:
        _check_versions(service, [version] if add or remove else [])
        earlier = {} if before.whitelist is None else before.whitelist.value
        listed = service.configured.whitelist.get(version, ())
        now = apply_whitelist_delta(listed, earlier.get(version, WhitelistDelta()))
        if absent := [entry for entry in remove if entry not in now]:
            raise ControlError(f"not on the whitelist of {version}: {', '.join(absent)}")
        wanted = apply_whitelist_delta(now, WhitelistDelta(tuple(add), tuple(remove)))
        fresh = WhitelistDelta(
            add=tuple(entry for entry in wanted if entry not in listed),
            remove=tuple(entry for entry in listed if entry not in wanted),
        )
        return evolve(before, whitelist=WhitelistChange(value={**earlier, version: fresh}, **record))

    return apply


def _check_versions(service: ServiceReference, names: Iterable[str]) -> None:
    named = list(names)
    if not named:
        raise ControlError("no version is given")
    for version in named:
        if version not in service.configured.versions:
            raise ControlError(
                f"{service.name} has no version {version}; it has {', '.join(service.configured.versions)}"
            )


def _read_value(reader: Callable[[object], Any], text: object, version: str) -> Any:
    try:
        return reader(text)
    except ValidationError as error:
        issue = error.issues[0]
        raise ControlError(f"{version}: found {issue.found}, expected {issue.expected}") from None
