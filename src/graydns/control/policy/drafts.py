"""Drafting: the next revision of a policy, made of the running one with one service changed. Pure.

It is not signed. Where policies have to be, somebody who has the key does that (``graydnsctl service … --key``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from attrs import evolve, frozen

from graydns.config.release_policy import POLICY_FORMAT, PolicyMetadata, ReleasePolicy
from graydns.control.live_changes import ServiceOverride
from graydns.control.policy.acceptance import AcceptanceTerms, PolicyRevision
from graydns.control.service_overrides import ServiceReference, override_service
from graydns.model.errors import ControlError

ValueT = TypeVar("ValueT")


@frozen
class PolicyDraft:
    """*strategy*: the next revision. *base*: the number of the one that it was made of, 0 = of none."""

    base: int
    strategy: ReleasePolicy


def draft(
    running: PolicyRevision | None, terms: AcceptanceTerms, number: int, found: ServiceReference, author: str
) -> PolicyDraft:
    """Revision *number*, saying what *running* says, from now on and without an end. Raises ControlError.

    A revision is of one tenant: the one that runs decides of which, or the configuration, or the service.
    """
    if running is not None:
        tenant, strategy = running.strategy.meta.tenant, running.strategy
    else:
        tenant = terms.tenant or found.tenant
        meta = PolicyMetadata(
            format=POLICY_FORMAT, prefix=terms.prefix, datacenter=terms.datacenter, tenant=tenant, revision=number
        )
        strategy = ReleasePolicy(meta=meta)
    if tenant != found.tenant:
        raise ControlError(
            f"{found.name} is a service of the tenant {found.tenant}, and the policy is one of {tenant}; "
            "--local changes it on this node only"
        )
    message = f"{found.name} changed"
    meta = evolve(strategy.meta, revision=number, not_before=None, not_after=None, author=author, description=message)
    return PolicyDraft(0 if running is None else running.number, evolve(strategy, meta=meta, signature=None))


def apply_override(made: PolicyDraft, found: ServiceReference, override: ServiceOverride) -> PolicyDraft:
    """*made* with what *override* changes of a service, in the place of what it said of that."""
    name, service, strategy = found.wire, override_service(found.configured, override), made.strategy
    if override.percent is not None or override.weights is not None:
        strategy = evolve(strategy, percent=_drop_key(strategy.percent, name), weight=_drop_key(strategy.weight, name))
    if override.percent is not None:
        strategy = evolve(strategy, percent={**strategy.percent, name: service.percent})
    if override.weights is not None:
        strategy = evolve(strategy, weight={**strategy.weight, name: service.weights})
    if override.whitelist is not None:
        listed = {version: entries for version, entries in service.whitelist.items() if entries}
        strategy = evolve(strategy, whitelist={**strategy.whitelist, name: listed})
    return evolve(made, strategy=strategy)


def remove_service(made: PolicyDraft, found: ServiceReference) -> PolicyDraft:
    """*made* saying nothing of a service's shares and whitelist. Raises ControlError if it said nothing before."""
    name, strategy = found.wire, made.strategy
    if not mentions_service(strategy, name):
        raise ControlError(f"the policy says nothing of the shares or the whitelist of {found.name}")
    without = evolve(
        strategy,
        percent=_drop_key(strategy.percent, name),
        weight=_drop_key(strategy.weight, name),
        whitelist=_drop_key(strategy.whitelist, name),
    )
    return evolve(made, strategy=without)


def mentions_service(strategy: ReleasePolicy, name: bytes) -> bool:
    """Whether *strategy* has shares or a whitelist for the service *name* (wire form)."""
    return any(name in part for part in (strategy.percent, strategy.weight, strategy.whitelist))


def _drop_key(values: Mapping[bytes, ValueT], name: bytes) -> dict[bytes, ValueT]:
    return {key: value for key, value in values.items() if key != name}
