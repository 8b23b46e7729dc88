"""Shifts: what an operator asks of a service's shares, read and checked against the service that there is. Pure.

A ShareChange is laid over what was changed before; whether that is kept on this node (``changing``) or written to
Consul's KV (``drafting``) is not its business. All raise ControlError.
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

#: Who it is by, from when and until when: the fields of ``live.Stay``.
ChangeRecordFields: TypeAlias = Mapping[str, Any]

#: The service, what is changed of it already, and how long the shift stays -> what is changed of it then.
ShareChange: TypeAlias = Callable[[ServiceReference, ServiceOverride, ChangeRecordFields], ServiceOverride]

_read_weight = Integer(0, 1_000_000)


def change_percent(shares: Mapping[str, str]) -> ShareChange:
    """Versions get these shares; those that are not named keep theirs."""
    value = {version: _read_value(read_percent, text, version) for version, text in shares.items()}

    def shift(found: ServiceReference, before: ServiceOverride, stay: ChangeRecordFields) -> ServiceOverride:
        _check_versions(found, value)
        kept = {} if before.percent is None else before.percent.value
        return evolve(before, percent=PercentChange(value={**kept, **value}, **stay), weights=None)

    return shift


def change_weights(shares: Mapping[str, int]) -> ShareChange:
    """Versions get shares in proportion; those that are not named keep theirs."""
    value = {version: _read_value(_read_weight, str(weight), version) for version, weight in shares.items()}

    def shift(found: ServiceReference, before: ServiceOverride, stay: ChangeRecordFields) -> ServiceOverride:
        _check_versions(found, value)
        kept = {} if before.weights is None else before.weights.value
        return evolve(before, weights=WeightsChange(value={**kept, **value}, **stay), percent=None)

    return shift


def change_whitelist(version: str, add: Sequence[str], remove: Sequence[str]) -> ShareChange:
    """A version's whitelist gets entries and loses others."""
    for entry in (*add, *remove):
        _read_value(read_whitelist_entry, entry, "whitelist")

    def shift(found: ServiceReference, before: ServiceOverride, stay: ChangeRecordFields) -> ServiceOverride:
        _check_versions(found, [version] if add or remove else [])
        kept = {} if before.whitelist is None else before.whitelist.value
        listed = found.configured.whitelist.get(version, ())
        now = apply_whitelist_delta(listed, kept.get(version, WhitelistDelta()))
        if absent := [entry for entry in remove if entry not in now]:
            raise ControlError(f"not on the whitelist of {version}: {', '.join(absent)}")
        wanted = apply_whitelist_delta(now, WhitelistDelta(tuple(add), tuple(remove)))
        fresh = WhitelistDelta(
            add=tuple(entry for entry in wanted if entry not in listed),
            remove=tuple(entry for entry in listed if entry not in wanted),
        )
        return evolve(before, whitelist=WhitelistChange(value={**kept, version: fresh}, **stay))

    return shift


def _check_versions(found: ServiceReference, versions: Iterable[str]) -> None:
    named = list(versions)
    if not named:
        raise ControlError("no version is named")
    for version in named:
        if version not in found.configured.versions:
            raise ControlError(f"{found.name} has no version {version}; it has {', '.join(found.configured.versions)}")


def _read_value(reader: Callable[[object], Any], text: object, version: str) -> Any:
    try:
        return reader(text)
    except ValidationError as error:
        misfit = error.issues[0]
        raise ControlError(f"{version}: found {misfit.found}, expected {misfit.expected}") from None
