"""Checks of the arguments of a call: types and numbers of values, and what a user of one tenant may name.

A name of another tenant is answered like a name that does not exist.
"""

from __future__ import annotations

import inspect
from typing import Protocol

from graydns.admin.authentication import AdminIdentity
from graydns.admin.pb_security import AdminRefusedError, PlainObject, PlainValue
from graydns.operations.operation import TenantScope, matches_type
from graydns.runtime.twisted_types import Broker


class ZoneDirectory(Protocol):
    """The part of the control plane that the checks read; ``docs/admin.md`` has the keys."""

    def zones(self, tenant: str | None = None) -> list[PlainObject]:
        """All zones, or those of *tenant*."""

    def services(self, tenant: str | None = None) -> list[PlainObject]:
        """All services, or those of *tenant*."""


def unserialize_arguments(broker: Broker, args: object, kw: object) -> tuple[PlainValue, PlainValue]:
    """The positional and the named arguments, as *broker* received them. Raises AdminRefusedError."""
    try:
        return broker.unserialize(args), broker.unserialize(kw)
    except Exception:
        raise AdminRefusedError("only plain values may be sent") from None


def bind_arguments(signature: inspect.Signature, positional: PlainValue, named: PlainValue) -> PlainObject:
    """All arguments by name, with defaults for those left out; types are checked. Raises AdminRefusedError."""
    try:
        bound = signature.bind(*positional, **named)
    except TypeError as error:
        raise AdminRefusedError(f"wrong arguments: {error}") from None
    bound.apply_defaults()
    for name, value in bound.arguments.items():
        if not matches_type(value, signature.parameters[name].annotation):
            raise AdminRefusedError(f"wrong argument {name}")
    return dict(bound.arguments)


def restrict_to_tenant(
    scope: TenantScope, identity: AdminIdentity, directory: ZoneDirectory, arguments: PlainObject
) -> str | None:
    """Check that *identity* may name what is in *arguments*, and complete them.

    An omitted tenant becomes that of the user, a service name that of the file. Returns the tenant concerned, None =
    all. Raises AdminRefusedError.
    """
    match scope:
        case TenantScope.SERVICE:
            return _resolve_service(identity, directory, arguments)
        case TenantScope.NAME if identity.tenant is not None:
            _check_zone_owner(arguments["name"], identity.tenant, directory, (identity.tenant,))
        case TenantScope.TENANT:
            return _resolve_tenant(identity, arguments)
        case TenantScope.TENANT_AND_ZONE:
            tenant = _resolve_tenant(identity, arguments)
            if identity.tenant is not None:
                _check_zone_owner(arguments["name"], identity.tenant, directory, (identity.tenant, None))
            return tenant
        case TenantScope.SERVER if identity.tenant is not None:
            raise AdminRefusedError(f"that concerns all tenants; {identity.actor} is of the tenant {identity.tenant}")
    return identity.tenant


def normalize_name(name: str) -> str:
    """*name* in lower case and without the final dot, for comparisons."""
    return name.removesuffix(".").lower()


def find_zone_tenant(name: str, directory: ZoneDirectory) -> str | None:
    """The tenant of the zone that *name* is in; None if it is in none."""
    owners = {normalize_name(row["zone"]): str(row["tenant"]) for row in directory.zones()}
    suffix = normalize_name(name)
    while suffix:
        if suffix in owners:
            return owners[suffix]
        suffix = suffix.partition(".")[2]
    return owners.get("")


def _resolve_service(identity: AdminIdentity, directory: ZoneDirectory, arguments: PlainObject) -> str | None:
    wanted = normalize_name(arguments["name"])
    for row in directory.services(identity.tenant):
        if normalize_name(row["name"]) == wanted and identity.tenant in (None, row["tenant"]):
            arguments["name"] = row["name"]
            return str(row["tenant"])
    if identity.tenant is None:
        return None  # the control plane refuses it; it may still know live changes of a service that left the files
    raise AdminRefusedError(f"no service {arguments['name']}")


def _check_zone_owner(name: str, tenant: str, directory: ZoneDirectory, allowed: tuple[str | None, ...]) -> None:
    if find_zone_tenant(name, directory) not in allowed:
        raise AdminRefusedError(f"{name} is in no zone of the tenant {tenant}")


def _resolve_tenant(identity: AdminIdentity, arguments: PlainObject) -> str | None:
    wanted: str | None = arguments["tenant"]
    if identity.tenant is not None and wanted not in (None, identity.tenant):
        raise AdminRefusedError(f"no tenant {wanted}")
    arguments["tenant"] = tenant = wanted if identity.tenant is None else identity.tenant
    return tenant
