"""Layering: a revision of Consul's KV over the files and below live changes. Pure.

::

    with_routes(inputs, revision)     its rules: compiled with the tenant's own ones
    with_shares(snapshot, revision)   its weights, percentages and whitelists: services compiled anew, as live changes
                                      are, whatever the size of the policy
    overrides.apply(snapshot, live)   live changes over both, as over the files

A rule of a revision is called ``policy:NAME``, so that no rule of a file can have its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from attrs import evolve, frozen

from graydns.config.release_policy import ReleasePolicy
from graydns.config.zone_config import ZoneConfig
from graydns.control.policy.acceptance import PolicyRevision
from graydns.control.policy.revisions import revision_folder
from graydns.gray.compiled_service import CompiledService, compile_service
from graydns.model.errors import ConfigIssue, PolicyIssues
from graydns.model.name import to_text
from graydns.model.policy import ServicePolicy
from graydns.snapshot.compiler import OverlayRules, SnapshotInputs
from graydns.snapshot.snapshot import Snapshot

POLICY_RULE_PREFIX = "policy:"

#: What a key of KV is called in a service.
_FIELD_BY_KEY = {"weight": "weights", "percent": "percent", "whitelist": "whitelist"}


@frozen
class OverlaidPolicy:
    """*snapshot*: with the shares. *faults*: of services that are left out, each with its key in KV as its file; a
    revision that is to be taken must have none.
    """

    snapshot: Snapshot
    faults: tuple[ConfigIssue, ...] = ()


def overlay_rules(inputs: SnapshotInputs, revision: PolicyRevision) -> SnapshotInputs:
    """*inputs* and the rules of *revision*; what is wrong with them is found when they are compiled."""
    meta = revision.strategy.meta
    rules = (evolve(route.rule, name=f"{POLICY_RULE_PREFIX}{route.name}") for route in revision.strategy.route)
    return evolve(
        inputs, overlay=OverlayRules(meta.tenant, tuple(rules), f"{revision_folder(meta.prefix, meta.revision)}route")
    )


def overlay_shares(base: Snapshot, revision: PolicyRevision) -> OverlaidPolicy:
    """*base*, which is what the files say and the rules of *revision*, with the rest of it on top."""
    strategy, tenant = revision.strategy, revision.strategy.meta.tenant
    faults: list[ConfigIssue] = []
    changed: dict[bytes, CompiledService] = {}
    services: dict[bytes, dict[bytes, ServicePolicy]] = {}
    homes = {name: file for file in base.zone_files if file.tenant_id == tenant for name in file.services}
    for name in dict.fromkeys(chain(strategy.weight, strategy.percent, strategy.whitelist)):
        if (home := homes.get(name)) is None:
            faults += _unknown_service_issues(name, strategy)
            continue
        service = overlay_service(home.services[name], name, strategy)
        sink: list[ConfigIssue] = []
        made = compile_service(tenant, to_text(name), service, PolicyIssues(sink))
        faults += _locate_service_issues(sink, name, strategy)
        if not sink:
            # The same endpoints, and so the same origins of answers.
            changed[name] = evolve(made, pools=base.routers[tenant].services[name].pools)
            services.setdefault(home.zone, {})[name] = service
    return OverlaidPolicy(_replace_services(base, tenant, changed, services) if changed else base, tuple(faults))


def overlay_service(service: ServicePolicy, name: bytes, strategy: ReleasePolicy) -> ServicePolicy:
    """*service* with *strategy*: shares, or a whitelist, that it has replace those of the service as a whole."""
    if (weights := strategy.weight.get(name)) is not None:
        service = evolve(service, weights=weights, percent={}, ranges={})
    if (percent := strategy.percent.get(name)) is not None:
        service = evolve(service, percent=percent, weights={}, ranges={})
    if (whitelist := strategy.whitelist.get(name)) is not None:
        service = evolve(service, whitelist=whitelist)
    return service


def _replace_services(
    base: Snapshot,
    tenant: str,
    changed: Mapping[bytes, CompiledService],
    services: Mapping[bytes, Mapping[bytes, ServicePolicy]],
) -> Snapshot:
    """*base* with services *changed*, and as they are written, by zone."""

    def file_with(file: ZoneConfig) -> ZoneConfig:
        fresh = services.get(file.zone)
        return file if fresh is None else evolve(file, services={**file.services, **fresh})

    files = tuple(map(file_with, base.zone_files))
    return evolve(
        base,
        zone_files=files,
        file_by_zone={file.zone: file for file in files},
        routers={**base.routers, tenant: base.routers[tenant].with_services(changed)},
        policy_fingerprints={**base.policy_fingerprints, tenant: None},  # not what its files make of it
    )


def _unknown_service_issues(name: bytes, strategy: ReleasePolicy) -> Iterator[ConfigIssue]:
    meta = strategy.meta
    for key in _FIELD_BY_KEY:
        if name in getattr(strategy, key):
            found = f"the unknown service {to_text(name)!r}"
            place = f"{revision_folder(meta.prefix, meta.revision)}{key}"
            yield ConfigIssue((to_text(name),), found, f"a service of the tenant {meta.tenant!r}", place)


def _locate_service_issues(faults: list[ConfigIssue], name: bytes, strategy: ReleasePolicy) -> Iterator[ConfigIssue]:
    """*faults* of a service by the keys of KV that they are in."""
    meta = strategy.meta
    keys = {field: key for key, field in _FIELD_BY_KEY.items()}
    for fault in faults:
        key = keys.get(str(fault.path[0]) if fault.path else "", "percent")
        place = f"{revision_folder(meta.prefix, meta.revision)}{key}"
        yield ConfigIssue((to_text(name), *fault.path[1:]), fault.found, fault.expected, place)
