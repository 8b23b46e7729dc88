"""Share changes: what an operator asks of a service's shares and whitelists, checked against the service. Pure.

A ShareChange is applied to the override that there is; ``live_commands`` stores the result on this node,
``policy.drafts`` writes it to a policy revision. Everything here raises ControlError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import evolve

from graydns.config.issues import ValidationError
from graydns.config.policy_schema import read_whitelist_entry
from graydns.config.scalar import Integer, read_percent
from graydns.control.live_changes import PercentChange, ServiceOverride, WeightsChange, WhitelistChange, WhitelistDelta
from graydns.control.service_overrides import ServiceReference, apply_whitelist_delta
from graydns.model.errors import ControlError

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
