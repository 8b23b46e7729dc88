"""Operators' arguments that name something in the DNS or in a Snapshot."""

from __future__ import annotations

import dns.exception
import dns.rdatatype

from graydns.fast.peer import LongestPrefixMap
from graydns.model.client import DEFAULT_TENANT
from graydns.model.decision import Cohort
from graydns.model.errors import ControlError
from graydns.model.name import from_text
from graydns.resolve.stores import choose_partition
from graydns.snapshot.snapshot import Snapshot


def parse_name(name: str) -> bytes:
    """A domain name in wire form. Raises ControlError."""
    try:
        return from_text(name)
    except ValueError as error:
        raise ControlError(str(error)) from None


def parse_question(name: str, rdtype: str) -> tuple[bytes, int]:
    """A domain name in wire form and a record type. Raises ControlError."""
    try:
        return parse_name(name), int(dns.rdatatype.from_text(rdtype))
    except ValueError as error:
        raise ControlError(str(error)) from None
    except dns.exception.DNSException:
        raise ControlError(f"unknown record type {rdtype}") from None


def find_tenant(snapshot: Snapshot, address: str) -> str:
    """The tenant that a client at *address* belongs to."""
    tenants = snapshot.config.tenants.items()
    clients = LongestPrefixMap({network: name for name, tenant in tenants for network in tenant.clients})
    return str(clients.get(address) or DEFAULT_TENANT)


def parse_cohort(text: str) -> Cohort:
    """A cohort, or the first parts of one, written TENANT/SERVICE/OUTCOME/ENDPOINT. Raises ControlError."""
    parts = text.split("/")
    if len(parts) > 4:
        raise ControlError("a cohort is TENANT/SERVICE/OUTCOME/ENDPOINT")
    return Cohort(*parts)


def check_has_cache(snapshot: Snapshot, tenant: str) -> None:
    """Raise ControlError unless *tenant* has a cache of its own."""
    if tenant not in snapshot.routers:
        raise ControlError(f"there is no tenant {tenant}")
    if (partition := choose_partition(snapshot, tenant)) != tenant:
        raise ControlError(
            f"the tenant {tenant} shares the cache of {partition}, being isolated neither in storage nor in network; "
            f"--tenant {partition} flushes that of all who share it"
        )
