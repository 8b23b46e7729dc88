"""Configuration values as plain data: None, bool, int, float, str, lists and dicts with text as keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from graydns.config.document import Document
from graydns.config.policy import percent, percents
from graydns.model.name import to_text
from graydns.model.policy import FromConsul, Rule, Service

#: Rules that are shown; of a longer list the number is told.
MOST_RULES = 200


def plain(value: object) -> Any:
    """*value*, of whatever class of the configuration."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return to_text(value)
    if isinstance(value, Service):
        return service(value)
    if isinstance(value, FromConsul):
        return {**_fields(value), "panic_threshold": percent(value.panic_threshold)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and len(value) > MOST_RULES and isinstance(value[0], Rule):
        return f"{len(value)} rules"
    if isinstance(value, frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if type(value).__str__ is object.__str__ and attrs.has(type(value)):
        return _fields(value)
    return str(value)


def _fields(value: Any) -> dict[str, Any]:
    fields = attrs.fields(type(value))
    given = ((one.metadata.get("key", one.name), getattr(value, one.name)) for one in fields)
    return {key: plain(item) for key, item in given if not isinstance(item, Document)}


def service(value: Service) -> dict[str, Any]:
    """A service as its file has it, or as it would have it."""
    return {
        "default": value.default,
        "ttl": value.ttl,
        "versions": {name: plain(version) for name, version in value.versions.items()},
        **shares(value),
    }


def shares(value: Service) -> dict[str, Any]:
    """What of a service can be changed live, and its ranges."""
    return {
        "percent": {version: percent(share) for version, share in value.percent.items()},
        "weights": dict(value.weights),
        "ranges": {version: [percents(pair) for pair in pairs] for version, pairs in value.ranges.items()},
        "whitelist": {version: list(entries) for version, entries in value.whitelist.items()},
    }


def moment(seconds: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
