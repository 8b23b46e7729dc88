"""The one place that says which classes files are read into."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TypeVar

from cattrs import Converter

from graydns.config.audit import Audit, ClientPrefix
from graydns.config.consul import (
    Consul,
    ConsulTls,
    PolicyCentre,
    PolicyKey,
    check_consul,
    check_key,
    check_policy,
    check_tls,
)
from graydns.config.converter import new_converter, register
from graydns.config.dnssec import Dnssec, DnssecLimits, NegativeTrustAnchor, check_dnssec
from graydns.config.document import Document
from graydns.config.main import AdminAudit, Cache, Limits, Reload, Settings, Stale, Tenant, Tls, Trust, Upstream
from graydns.config.main_check import check_settings
from graydns.config.misfit import Misfit, Misfits
from graydns.config.policy import register_policy
from graydns.config.strategy import register_strategy
from graydns.config.zone import Source, ZoneSettings, check_zone
from graydns.model.errors import ConfigError, IssuePath

T = TypeVar("T")


@cache
def converter() -> Converter:
    """The converter for all files, inner classes first; made when the first file is read."""
    made = new_converter()
    register_policy(made)
    settings = (Tls, Reload, Trust, Limits, AdminAudit, ClientPrefix, Audit, Stale, Cache, Upstream, Tenant, Source)
    for cls in (*settings, NegativeTrustAnchor, DnssecLimits):
        register(made, cls)
    register(made, ConsulTls, check_tls)
    register(made, PolicyKey, check_key)
    register(made, PolicyCentre, check_policy)
    register(made, Consul, check_consul)
    register(made, Dnssec, check_dnssec)
    register(made, Settings, check_settings)
    register(made, ZoneSettings, check_zone)
    register_strategy(made)
    return made


def typed(document: Document, cls: type[T]) -> T:
    """What *document* says, as a *cls*; raises ConfigError with every fault of the file, in its order."""
    reading = document.read()
    if reading.root is None:
        raise ConfigError(reading.faults)
    made, misfits = structured(reading.root, cls)
    meant = [misfit for misfit in misfits if reading.skipped.isdisjoint(_above(misfit.path))]
    faults = [*reading.faults, *(document.locate_all(meant) if meant else ())]
    if made is None or faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.line, fault.column)))
    return made


def structured(root: object, cls: type[T]) -> tuple[T | None, tuple[Misfit, ...]]:
    """*root* as a *cls*, or what is wrong with it."""
    try:
        return converter().structure(root, cls), ()
    except Misfits as error:
        return None, error.misfits


def _above(path: IssuePath) -> Iterator[IssuePath]:
    """*path* and every path above it."""
    return (path[:size] for size in range(len(path) + 1))
