"""Loads graydns.yaml and zone-config.yaml files: the front of this package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import attrs
from attrs import evolve

from graydns.config.address import UnixSocket
from graydns.config.dnssec import Dnssec
from graydns.config.document import Document
from graydns.config.file import read_document, read_regular, reason, resolve_inside
from graydns.config.main import Config, Settings
from graydns.config.misfit import Misfit, shown
from graydns.config.schema import typed
from graydns.config.tenancy import tenancy_faults
from graydns.config.zone import ZoneFile, ZoneSettings
from graydns.model.dnssec_values import parse_trust_anchor
from graydns.model.errors import ConfigError, ConfigIssue

__all__ = ["Config", "ZoneFile", "load", "load_zone", "load_zones"]

ZONE_CONFIG = "zone-config.yaml"


def load(path: Path) -> Config:
    """The main file at *path*; raises ConfigError with every fault in it."""
    document = read_document(path)
    settings = anchored(typed(document, Settings), path.absolute().parent)
    settings = evolve(settings, dnssec=with_anchors(settings.dnssec, document))
    values = {attribute.name: getattr(settings, attribute.name) for attribute in attrs.fields(Settings)}
    return Config(file=path.absolute(), document=document, **values)


def anchored(settings: Settings, folder: Path) -> Settings:
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
        consul=settings.consul and settings.consul.anchored(folder),
        dnssec=settings.dnssec.anchored(folder),
    )


def with_anchors(dnssec: Dnssec, document: Document) -> Dnssec:
    """*dnssec* with the trust anchors that its file has. Raises ConfigError with every fault of that file."""
    path = dnssec.trust_anchor_file
    if path is None:
        return dnssec
    try:
        lines = read_regular(path).decode("ascii", "backslashreplace").splitlines()
    except (OSError, ValueError) as error:
        misfit = Misfit(("dnssec", "trust_anchor_file"), f"{str(path)!r} ({reason(error)})", "a readable file")
        raise ConfigError(document.locate_all((misfit,))) from None
    anchors, faults = [], []
    for number, line in enumerate(lines, 1):
        if text := line.split(";", 1)[0].strip():
            try:
                anchors.append(parse_trust_anchor(text))
            except ValueError as error:
                faults.append(ConfigIssue((), shown(text), f"a DS or DNSKEY record: {error}", str(path), number))
    if not anchors and not faults:
        faults.append(ConfigIssue((), "no record", "at least one DS or DNSKEY record", str(path)))
    if faults:
        raise ConfigError(faults)
    return evolve(dnssec, trust_anchors=(*dnssec.trust_anchors, *anchors))


def load_zone(path: Path) -> ZoneFile:
    """The zone-config.yaml at *path*; raises ConfigError with every fault in it.

    The file itself and the zone data it names must be inside its folder once all links are followed.
    """
    folder = zone_folder(path)
    document = read_document(path)
    zone = typed(document, ZoneSettings)
    return ZoneFile(
        file=path,
        folder=folder,
        zone=zone.zone,
        tenant_id=zone.tenant_id,
        isolation=zone.isolation_level,
        config_version=zone.config_version,
        source_file=zone_source(zone, folder, document),
        services=zone.services,
        rules=zone.rules,
        delegates=zone.delegates,
        document=document,
    )


def zone_folder(path: Path) -> Path:
    """The resolved folder of the zone file at *path*, which must not be a link to elsewhere."""
    try:
        folder = path.parent.resolve()
        resolve_inside(path, folder)
    except (OSError, RuntimeError, ValueError) as error:
        expected = "a readable regular file inside its own folder"
        raise ConfigError([ConfigIssue((), reason(error), expected, str(path))]) from None
    return folder


def zone_source(zone: ZoneSettings, folder: Path, document: Document) -> Path:
    """The resolved file with the zone's data."""
    try:
        return resolve_inside(folder / zone.source.file, folder)
    except ValueError as error:
        misfit = Misfit(("source", "file"), str(error), "an existing file inside the zone's folder")
        raise ConfigError(document.locate_all((misfit,))) from None


def load_zones(config: Config) -> tuple[ZoneFile, ...]:
    """Every zone below the ``zones`` folder of *config*; raises ConfigError with the faults of all files."""
    zones: list[ZoneFile] = []
    faults: list[ConfigIssue] = []
    for path in zone_paths(config):
        try:
            zones.append(load_zone(path))
        except ConfigError as error:
            faults.extend(error.issues)
    faults.extend(tenancy_faults(config, zones, complete=not faults))
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column)))
    return tuple(zones)


def zone_paths(config: Config) -> Iterator[Path]:
    """The zone files below the ``zones`` folder, in the order of their folders' names; hidden folders are skipped."""
    if config.zones is None:
        return
    try:
        names = sorted(entry.name for entry in os.scandir(config.zones) if entry.is_dir())
    except OSError as error:
        misfit = Misfit(("zones",), f"{str(config.zones)!r} ({reason(error)})", "a readable folder, or null")
        raise ConfigError(config.document.locate_all((misfit,))) from None
    for folder in names:
        path = config.zones / folder / ZONE_CONFIG
        if not folder.startswith(".") and os.path.lexists(path):
            yield path
