"""Loads graydns.yaml and zone-config.yaml files: the front of this package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import attrs
from attrs import evolve

from graydns.config.address import UnixSocket
from graydns.config.cross_checks import check_zones
from graydns.config.dnssec_settings import DnssecSettings
from graydns.config.document import Document, describe_os_error, read_document, read_regular_file, resolve_inside
from graydns.config.issues import ValidationIssue, format_value
from graydns.config.schema import read_typed
from graydns.config.settings import Config, MainSettings
from graydns.config.zone_config import ZoneConfig, ZoneSettings
from graydns.model.dnssec_values import parse_trust_anchor
from graydns.model.errors import ConfigError, ConfigIssue

__all__ = ["Config", "ZoneConfig", "load_main", "load_zone", "load_zones"]

ZONE_CONFIG_NAME = "zone-config.yaml"


def load_main(path: Path) -> Config:
    """The main file at *path*; raises ConfigError with every fault in it."""
    document = read_document(path)
    settings = resolve_paths(read_typed(document, MainSettings), path.absolute().parent)
    settings = evolve(settings, dnssec=read_trust_anchor_file(settings.dnssec, document))
    values = {attribute.name: getattr(settings, attribute.name) for attribute in attrs.fields(MainSettings)}
    return Config(file=path.absolute(), document=document, **values)


def resolve_paths(settings: MainSettings, folder: Path) -> MainSettings:
    """*settings* with every path that is not absolute taken from *folder*."""
    tls, admin, audit = settings.tls, settings.admin, settings.audit
    if tls is not None:
        ca = tls.client_ca
        tls = evolve(tls, certificate=folder / tls.certificate, key=folder / tls.key, client_ca=ca and folder / ca)
    if isinstance(admin, UnixSocket):
        admin = UnixSocket(folder / admin.path)
    return evolve(
        settings,
        tls=tls,
        admin=admin,
        data=folder / settings.data,
        zones=settings.zones and folder / settings.zones,
        geo=settings.geo and folder / settings.geo,
        audit=audit and evolve(audit, file=folder / audit.file),
        consul=settings.consul and settings.consul.resolve_paths(folder),
        dnssec=settings.dnssec.resolve_paths(folder),
    )


def read_trust_anchor_file(dnssec: DnssecSettings, document: Document) -> DnssecSettings:
    """*dnssec* with the trust anchors that its file has. Raises ConfigError with every fault of that file."""
    path = dnssec.trust_anchor_file
    if path is None:
        return dnssec
    try:
        lines = read_regular_file(path).decode("ascii", "backslashreplace").splitlines()
    except (OSError, ValueError) as error:
        issue = ValidationIssue(
            ("dnssec", "trust_anchor_file"), f"{str(path)!r} ({describe_os_error(error)})", "a readable file"
        )
        raise ConfigError(document.locate_all((issue,))) from None
    anchors, faults = [], []
    for number, line in enumerate(lines, 1):
        if text := line.split(";", 1)[0].strip():
            try:
                anchors.append(parse_trust_anchor(text))
            except ValueError as error:
                faults.append(ConfigIssue((), format_value(text), f"a DS or DNSKEY record: {error}", str(path), number))
    if not anchors and not faults:
        faults.append(ConfigIssue((), "no record", "at least one DS or DNSKEY record", str(path)))
    if faults:
        raise ConfigError(faults)
    return evolve(dnssec, trust_anchors=(*dnssec.trust_anchors, *anchors))


def load_zone(path: Path) -> ZoneConfig:
    """The zone-config.yaml at *path*; raises ConfigError with every fault in it.

    The file itself and the zone data it names must be inside its folder once all links are followed.
    """
    folder = resolve_zone_folder(path)
    document = read_document(path)
    zone = read_typed(document, ZoneSettings)
    return ZoneConfig(
        path=path,
        folder=folder,
        zone=zone.zone,
        tenant_id=zone.tenant_id,
        isolation=zone.isolation_level,
        config_version=zone.config_version,
        source=zone.source,
        source_file=None if zone.source.file is None else resolve_zone_data(zone.source.file, folder, document),
        services=zone.services,
        rules=zone.rules,
        delegates=zone.delegates,
        document=document,
    )


def resolve_zone_folder(path: Path) -> Path:
    """The resolved folder of the zone file at *path*, which must not be a link to elsewhere."""
    try:
        folder = path.parent.resolve()
        resolve_inside(path, folder)
    except (OSError, RuntimeError, ValueError) as error:
        expected = "a readable regular file inside its own folder"
        raise ConfigError([ConfigIssue((), describe_os_error(error), expected, str(path))]) from None
    return folder


def resolve_zone_data(file: Path, folder: Path, document: Document) -> Path:
    """The resolved *file* with the zone's data."""
    try:
        return resolve_inside(folder / file, folder)
    except ValueError as error:
        issue = ValidationIssue(("source", "file"), str(error), "an existing file inside the zone's folder")
        raise ConfigError(document.locate_all((issue,))) from None


def load_zones(config: Config) -> tuple[ZoneConfig, ...]:
    """Every zone below the ``zones`` folder of *config*; raises ConfigError with the faults of all files."""
    zones: list[ZoneConfig] = []
    faults: list[ConfigIssue] = []
    for path in iterate_zone_configs(config):
        try:
            zones.append(load_zone(path))
        except ConfigError as error:
            faults.extend(error.issues)
    faults.extend(check_zones(config, zones, complete=not faults))
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column)))
    return tuple(zones)


def iterate_zone_configs(config: Config) -> Iterator[Path]:
    """The zone files below the ``zones`` folder, in the order of their folders' names; hidden folders are skipped."""
    if config.zones is None:
        return
    try:
        names = sorted(entry.name for entry in os.scandir(config.zones) if entry.is_dir())
    except OSError as error:
        issue = ValidationIssue(
            ("zones",), f"{str(config.zones)!r} ({describe_os_error(error)})", "a readable folder, or null"
        )
        raise ConfigError(config.document.locate_all((issue,))) from None
    for folder in names:
        path = config.zones / folder / ZONE_CONFIG_NAME
        if not folder.startswith(".") and os.path.lexists(path):
            yield path
