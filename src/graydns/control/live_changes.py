"""Live: what operators changed while graydns served, beside what the files say; kept by ``keeper`` in ``live.json``.

It is JSON, read as strictly as the configuration is, so a broken file is told with its line.
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
    """Who changed something, when (Unix seconds), and until when it stays; None = until it is reverted."""

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
    """Entries that a version's whitelist has besides those of the file, and entries of the file that it has not."""

    add: tuple[Annotated[str, read_whitelist_entry], ...] = ()
    remove: tuple[Annotated[str, read_whitelist_entry], ...] = ()


@frozen(kw_only=True)
class WhitelistChange(ChangeRecord):
    """By version."""

    value: Mapping[VersionName, WhitelistDelta]


@frozen
class ServiceOverride:
    """What is changed of one service. *tenant*: whose it was then; None = not known. *abort*: everybody gets the
    default version.
    """

    tenant: Annotated[str, TenantName()] | None = None
    percent: PercentChange | None = None
    weights: WeightsChange | None = None
    whitelist: WhitelistChange | None = None
    abort: ChangeRecord | None = None

    def records(self) -> dict[str, ChangeRecord]:
        """What is set, by name."""
        named = {"percent": self.percent, "weights": self.weights, "whitelist": self.whitelist, "abort": self.abort}
        return {name: stay for name, stay in named.items() if stay is not None}


@frozen(kw_only=True)
class LiveNegativeTrustAnchor(ChangeRecord):
    """Why a name counts as unsigned for a while (RFC 7646). *until*: there is always an end."""

    until: UnixSeconds
    reason: Annotated[str, Text("a reason", min_length=0)] = ""


@frozen
class RollbackPin:
    """A rollback: *number* is served, and files are taken up once a zone's version is above the one in *highest*."""

    number: Annotated[int, Integer(1, 10**17)]
    highest: Mapping[Annotated[str, Text("a zone")], Annotated[tuple[int, ...], read_version_number]] = field(
        factory=dict
    )


@frozen
class LiveChanges:
    """All of it. *services*: by name as text; *gray_off*: tenants whose services all give their default, or ALL;
    *negative_trust_anchors*: by name in wire form.
    """

    services: Mapping[Annotated[str, Text("a service")], ServiceOverride] = field(factory=dict)
    gray_off: Mapping[Annotated[str, Text("a tenant, or *")], ChangeRecord] = field(factory=dict)
    pin: RollbackPin | None = None
    negative_trust_anchors: Mapping[Annotated[bytes, read_name], LiveNegativeTrustAnchor] = field(factory=dict)

    def with_service(self, name: str, override: ServiceOverride) -> LiveChanges:
        """The same with *override* for *name*; an empty one is none."""
        services = {**self.services, name: override}
        if not override.records():
            del services[name]
        return evolve(self, services=services)

    def next_expiry(self) -> float | None:
        """When the first of them ends (Unix seconds)."""
        stays = [stay for override in self.services.values() for stay in override.records().values()]
        stays += self.negative_trust_anchors.values()
        return min((stay.until for stay in stays if stay.until is not None), default=None)

    def unexpired_at(self, now: float) -> LiveChanges:
        """What is left at *now* (Unix seconds)."""
        left = {name: anchor for name, anchor in self.negative_trust_anchors.items() if now < anchor.until}
        live = evolve(self, negative_trust_anchors=left)
        for name, override in self.services.items():
            over = {
                key: None for key, stay in override.records().items() if stay.until is not None and stay.until <= now
            }
            if over:
                live = live.with_service(name, evolve(override, **over))
        return live


def load_live_changes(path: Path) -> LiveChanges:
    """What *path* holds; nothing if there is no such file. Raises ConfigError with every fault."""
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
    """The contents of the file for *live*."""
    data = {
        "services": {name: {"tenant": each.tenant, **_dump_override(each)} for name, each in live.services.items()},
        "gray_off": {tenant: _dump_record(stay) for tenant, stay in live.gray_off.items()},
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
    data = {name: _dump_record(stay) for name, stay in override.records().items()}
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


def _dump_record(stay: ChangeRecord) -> dict[str, Any]:
    return {"actor": stay.actor, "at": round(stay.at, 3), "until": stay.until and round(stay.until, 3)}


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
