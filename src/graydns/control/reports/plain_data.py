"""Configuration values as plain data: None, bool, int, float, str, lists and dicts with text as keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from graydns.config.document import Document
from graydns.config.policy_schema import format_percent_range, percent
from graydns.model.name import to_text
from graydns.model.policy import ConsulVersionSource, Rule, ServicePolicy

#: Rules that are shown; a longer list is shown as their number.
MAX_SHOWN_RULES = 200


def to_plain(value: object) -> Any:
    """*value*, an instance of any class of the configuration, as plain data."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return to_text(value)
    if isinstance(value, ServicePolicy):
        return service_to_plain(value)
    if isinstance(value, ConsulVersionSource):
        return {**_fields_to_plain(value), "panic_threshold": percent(value.panic_threshold)}
    if isinstance(value, Mapping):
        return {str(to_plain(key)): to_plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and len(value) > MAX_SHOWN_RULES and isinstance(value[0], Rule):
        return f"{len(value)} rules"
    if isinstance(value, frozenset):
        return sorted(to_plain(item) for item in value)
    if isinstance(value, Sequence):
        return [to_plain(item) for item in value]
    if type(value).__str__ is object.__str__ and attrs.has(type(value)):
        return _fields_to_plain(value)
    return str(value)


def _fields_to_plain(value: Any) -> dict[str, Any]:
    fields = attrs.fields(type(value))
    given = ((one.metadata.get("key", one.name), getattr(value, one.name)) for one in fields)
    return {key: to_plain(item) for key, item in given if not isinstance(item, Document)}


def service_to_plain(value: ServicePolicy) -> dict[str, Any]:
    """A service as plain data, in the form of its file."""
    return {
        "default": value.default,
        "ttl": value.ttl,
        "versions": {name: to_plain(version) for name, version in value.versions.items()},
        **shares_to_plain(value),
    }


def shares_to_plain(value: ServicePolicy) -> dict[str, Any]:
    """The shares and whitelists of a service."""
    return {
        "percent": {version: percent(share) for version, share in value.percent.items()},
        "weights": dict(value.weights),
        "ranges": {version: [format_percent_range(pair) for pair in pairs] for version, pairs in value.ranges.items()},
        "whitelist": {version: list(entries) for version, entries in value.whitelist.items()},
    }


def format_time(seconds: float | None) -> str | None:
    """Unix seconds as RFC 3339 in UTC, with ``Z``; None stays None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
