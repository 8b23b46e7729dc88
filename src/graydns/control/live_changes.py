"""Live changes: what operators changed while the server runs, and their file format, ``live.json``.

The file is JSON and is checked as strictly as the configuration: an issue names the line. ``live_change_store`` says
which file has what.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from attrs import evolve, field, frozen
from cattrs import Converter

from graydns.config.address import read_name
from graydns.config.converter import make_converter, register_class
from graydns.config.document import read_document
from graydns.config.issues import ValidationError, make_validation_error
from graydns.config.policy_schema import percent, read_whitelist_entry
from graydns.config.scalar import Identifier, Integer, TenantName, Text, read_percent, read_version_number
from graydns.model.errors import ConfigError
from graydns.model.name import to_text

LIVE_CHANGES_FILE = "live.json"

#: In ``gray_off``: every tenant.
ALL_TENANTS = "*"

VersionName = Annotated[str, Identifier()]

_UNIX_SECONDS_PATTERN = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


def read_unix_seconds(value: object, /) -> float:
    """Unix seconds."""
    if not isinstance(value, str) or not _UNIX_SECONDS_PATTERN.fullmatch(value):
        raise make_validation_error(value, "Unix seconds")
    return float(value)


UnixSeconds = Annotated[float, read_unix_seconds]
ActorName = Annotated[str, Text("who did it", min_length=0)]


@frozen(kw_only=True)
class ChangeRecord:
    """Who made a change, when, and when it expires (Unix seconds); None = it stays until it is reverted."""

    actor: ActorName
    at: UnixSeconds
    until: UnixSeconds | None = None


@frozen(kw_only=True)
class PercentChange(ChangeRecord):
    """Shares in millionths of clients, by version."""

    value: Mapping[VersionName, Annotated[int, read_percent]]


@frozen(kw_only=True)
class WeightsChange(ChangeRecord):
    """Shares in proportion, by version."""

    value: Mapping[VersionName, Annotated[int, Integer(0, 1_000_000)]]


@frozen
class WhitelistDelta:
    """Whitelist entries of a version that its file does not have, and entries of the file that are removed."""

    add: tuple[Annotated[str, read_whitelist_entry], ...] = ()
    remove: tuple[Annotated[str, read_whitelist_entry], ...] = ()


@frozen(kw_only=True)
class WhitelistChange(ChangeRecord):
    """Whitelist changes by version."""

    value: Mapping[VersionName, WhitelistDelta]


@frozen
class ServiceOverride:
    """The live change of one service. *tenant*: the one it belonged to then; None = not known. *abort*: every client
    gets the default version.
    """

    tenant: Annotated[str, TenantName()] | None = None
    percent: PercentChange | None = None
    weights: WeightsChange | None = None
    whitelist: WhitelistChange | None = None
    abort: ChangeRecord | None = None

    def records(self) -> dict[str, ChangeRecord]:
        """The changes that are set, by field name."""
        named = {"percent": self.percent, "weights": self.weights, "whitelist": self.whitelist, "abort": self.abort}
        return {name: record for name, record in named.items() if record is not None}


@frozen(kw_only=True)
class LiveNegativeTrustAnchor(ChangeRecord):
    """A negative trust anchor that an operator added (RFC 7646). It always expires."""

    until: UnixSeconds
    reason: Annotated[str, Text("a reason", min_length=0)] = ""


@frozen
class RollbackPin:
    """A rollback to snapshot *number*, until a zone's version is above the one that *highest* has for it."""

    number: Annotated[int, Integer(1, 10**17)]
    highest: Mapping[Annotated[str, Text("a zone")], Annotated[tuple[int, ...], read_version_number]] = field(
        factory=dict
    )


@frozen
class LiveChanges:
    """All live changes. *services*: by name as text. *gray_off*: tenants, or ``ALL_TENANTS``, whose services are all
    restricted to their default version. *negative_trust_anchors*: by name in wire form.
    """

    services: Mapping[Annotated[str, Text("a service")], ServiceOverride] = field(factory=dict)
    gray_off: Mapping[Annotated[str, Text("a tenant, or *")], ChangeRecord] = field(factory=dict)
    pin: RollbackPin | None = None
    negative_trust_anchors: Mapping[Annotated[bytes, read_name], LiveNegativeTrustAnchor] = field(factory=dict)

    def with_service(self, name: str, override: ServiceOverride) -> LiveChanges:
        """These changes with *override* for the service *name*; an empty override is removed."""
        services = {**self.services, name: override}
        if not override.records():
            del services[name]
        return evolve(self, services=services)

    def next_expiry(self) -> float | None:
        """When the first of them expires (Unix seconds); None = none does."""
        records = [record for override in self.services.values() for record in override.records().values()]
        records += self.negative_trust_anchors.values()
        return min((record.until for record in records if record.until is not None), default=None)

    def unexpired_at(self, now: float) -> LiveChanges:
        """These changes without those that have expired at *now* (Unix seconds)."""
        unexpired = {name: anchor for name, anchor in self.negative_trust_anchors.items() if now < anchor.until}
        live = evolve(self, negative_trust_anchors=unexpired)
        for name, override in self.services.items():
            records = override.records().items()
            expired = {key: None for key, record in records if record.until is not None and record.until <= now}
            if expired:
                live = live.with_service(name, evolve(override, **expired))
        return live


def load_live_changes(path: Path) -> LiveChanges:
    """The changes in the file *path*; none if there is no such file. Raises ConfigError with every issue."""
    if not path.exists():
        return LiveChanges()
    document = read_document(path)
    reading = document.parse()
    if reading.root is None:
        raise ConfigError(reading.issues)
    try:
        live: LiveChanges = _converter().structure(reading.root, LiveChanges)
    except ValidationError as error:
        raise ConfigError([*reading.issues, *document.locate_all(error.issues)]) from None
    if reading.issues:
        raise ConfigError(reading.issues)
    return live


def dump_live_changes(live: LiveChanges) -> bytes:
    """The contents of the file for *live*, as JSON."""
    data = {
        "services": {name: {"tenant": each.tenant, **_dump_override(each)} for name, each in live.services.items()},
        "gray_off": {tenant: _dump_record(record) for tenant, record in live.gray_off.items()},
        "pin": live.pin and {"number": live.pin.number, "highest": _dump_versions(live.pin.highest)},
        "negative_trust_anchors": {
            to_text(name): {**_dump_record(anchor), "reason": anchor.reason}
            for name, anchor in live.negative_trust_anchors.items()
        },
    }
    return json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n"


def _dump_versions(highest: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    return {zone: ".".join(map(str, version)) for zone, version in highest.items()}


def _dump_override(override: ServiceOverride) -> dict[str, Any]:
    data = {name: _dump_record(record) for name, record in override.records().items()}
    if override.percent is not None:
        data["percent"]["value"] = {name: percent(share) for name, share in override.percent.value.items()}
    if override.weights is not None:
        data["weights"]["value"] = dict(override.weights.value)
    if override.whitelist is not None:
        data["whitelist"]["value"] = {
            version: {"add": list(listed.add), "remove": list(listed.remove)}
            for version, listed in override.whitelist.value.items()
        }
    return data


def _dump_record(record: ChangeRecord) -> dict[str, Any]:
    return {"actor": record.actor, "at": round(record.at, 3), "until": record.until and round(record.until, 3)}


@cache
def _converter() -> Converter:
    made = make_converter()
    for cls in (
        ChangeRecord,
        PercentChange,
        WeightsChange,
        WhitelistDelta,
        WhitelistChange,
        ServiceOverride,
        LiveNegativeTrustAnchor,
        RollbackPin,
        LiveChanges,
    ):
        register_class(made, cls)
    return made
