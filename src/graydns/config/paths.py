"""Files and folders that the configuration names: resolved, and the trust anchors of one read."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from graydns.config.address import UnixSocket
from graydns.config.dnssec_settings import DnssecSettings
from graydns.config.document import Document, describe_os_error, read_regular_file, resolve_inside
from graydns.config.issues import ValidationIssue, format_value
from graydns.config.settings import MainSettings
from graydns.model.dnssec_values import parse_trust_anchor
from graydns.model.errors import ConfigError, ConfigIssue


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
