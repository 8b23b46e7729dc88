"""The one place that says which classes files are read into."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TypeVar

from cattrs import Converter

from graydns.config.consul_settings import (
    ConsulPolicySettings,
    ConsulSettings,
    ConsulTlsSettings,
    PolicyKeySettings,
    check_consul,
    check_consul_policy,
    check_consul_tls,
    check_policy_key,
)
from graydns.config.converter import make_converter, register_class
from graydns.config.cross_checks import check_settings
from graydns.config.dnssec_settings import DnssecLimitSettings, DnssecSettings, NegativeTrustAnchor, check_dnssec
from graydns.config.document import Document
from graydns.config.issues import ValidationError, ValidationIssue
from graydns.config.policy_schema import register_policy
from graydns.config.release_policy import register_release_policy
from graydns.config.settings import (
    AdminAuditSettings,
    AuditSettings,
    CacheSettings,
    ClientPrefixSettings,
    LimitSettings,
    LinkSettings,
    MainSettings,
    ReloadSettings,
    StaleSettings,
    TenantSettings,
    TlsSettings,
    TrustSettings,
    UpstreamSettings,
)
from graydns.config.zone_config import ZoneSettings, ZoneSourceSettings, check_zone_settings
from graydns.model.errors import ConfigError, IssuePath

SchemaT = TypeVar("SchemaT")


@cache
def get_converter() -> Converter:
    """The converter for all files, inner classes first; made when the first file is read."""
    made = make_converter()
    register_policy(made)
    settings = (
        TlsSettings,
        ReloadSettings,
        TrustSettings,
        LimitSettings,
        AdminAuditSettings,
        ClientPrefixSettings,
        AuditSettings,
        StaleSettings,
        CacheSettings,
        UpstreamSettings,
        LinkSettings,
        TenantSettings,
        ZoneSourceSettings,
    )
    for cls in (*settings, NegativeTrustAnchor, DnssecLimitSettings):
        register_class(made, cls)
    register_class(made, ConsulTlsSettings, check_consul_tls)
    register_class(made, PolicyKeySettings, check_policy_key)
    register_class(made, ConsulPolicySettings, check_consul_policy)
    register_class(made, ConsulSettings, check_consul)
    register_class(made, DnssecSettings, check_dnssec)
    register_class(made, MainSettings, check_settings)
    register_class(made, ZoneSettings, check_zone_settings)
    register_release_policy(made)
    return made


def read_typed(document: Document, cls: type[SchemaT]) -> SchemaT:
    """What *document* says, as a *cls*; raises ConfigError with every fault of the file, in its order."""
    reading = document.parse()
    if reading.root is None:
        raise ConfigError(reading.issues)
    made, issues = structure_as(reading.root, cls)
    meant = [issue for issue in issues if reading.skipped_paths.isdisjoint(_path_prefixes(issue.path))]
    faults = [*reading.issues, *(document.locate_all(meant) if meant else ())]
    if made is None or faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.line, fault.column)))
    return made


def structure_as(root: object, cls: type[SchemaT]) -> tuple[SchemaT | None, tuple[ValidationIssue, ...]]:
    """*root* as a *cls*, or what is wrong with it."""
    try:
        return get_converter().structure(root, cls), ()
    except ValidationError as error:
        return None, error.issues


def _path_prefixes(path: IssuePath) -> Iterator[IssuePath]:
    """*path* and every path above it."""
    return (path[:size] for size in range(len(path) + 1))
