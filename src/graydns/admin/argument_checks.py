"""Checks of the arguments of a call: types and numbers of values, and what a user of one tenant may name.

A name of another tenant is answered like a name that does not exist.
"""

from __future__ import annotations

import inspect
from typing import Protocol

from graydns.admin.authentication import AdminIdentity
from graydns.admin.pb_security import AdminRefusedError, PlainObject, PlainValue
from graydns.model.name import from_text, suffixes, to_text
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

    An omitted tenant becomes that of the user, a name what ``model.name.to_text`` makes of it, the name of a service
    that of the file. Returns the tenant concerned, None =
    all. Raises AdminRefusedError.
    """
    match scope:
        case TenantScope.SERVICE:
            return _resolve_service(identity, directory, arguments)
        case TenantScope.NAME:
            name = _read_name(arguments)
            if identity.tenant is not None:
                _check_zone_owner(name, identity.tenant, directory, (identity.tenant,))
        case TenantScope.TENANT:
            return _resolve_tenant(identity, arguments)
        case TenantScope.TENANT_AND_ZONE:
            name = _read_name(arguments)
            tenant = _resolve_tenant(identity, arguments)
            if identity.tenant is not None:
                _check_zone_owner(name, identity.tenant, directory, (identity.tenant, None))
            return tenant
        case TenantScope.SERVER if identity.tenant is not None:
            raise AdminRefusedError(f"that concerns all tenants; {identity.actor} is of the tenant {identity.tenant}")
    return identity.tenant


def _read_name(arguments: PlainObject) -> bytes:
    """The argument ``name`` in wire form; in *arguments* it becomes the text that every spelling of it has in common.

    Escapes, full stops and letters of other scripts make many spellings of one name. Raises AdminRefusedError.
    """
    try:
        name = from_text(arguments["name"])
    except ValueError as error:
        raise AdminRefusedError(str(error)) from None
    arguments["name"] = to_text(name)
    return name


def _resolve_service(identity: AdminIdentity, directory: ZoneDirectory, arguments: PlainObject) -> str | None:
    wanted = _read_name(arguments)
    for row in directory.services(identity.tenant):
        if from_text(row["name"]) == wanted and identity.tenant in (None, row["tenant"]):
            arguments["name"] = row["name"]
            return str(row["tenant"])
    if identity.tenant is None:
        return None  # the control plane refuses it; it may still know live changes of a service that left the files
    raise AdminRefusedError(f"no service {arguments['name']}")


def _check_zone_owner(name: bytes, tenant: str, directory: ZoneDirectory, allowed: tuple[str | None, ...]) -> None:
    if _find_zone_tenant(name, directory) not in allowed:
        raise AdminRefusedError(f"{to_text(name)} is in no zone of the tenant {tenant}")


def _find_zone_tenant(name: bytes, directory: ZoneDirectory) -> str | None:
    owners = {from_text(row["zone"]): str(row["tenant"]) for row in directory.zones()}
    return next((owners[suffix] for suffix in suffixes(name) if suffix in owners), None)


def _resolve_tenant(identity: AdminIdentity, arguments: PlainObject) -> str | None:
    wanted: str | None = arguments["tenant"]
    if identity.tenant is not None and wanted not in (None, identity.tenant):
        raise AdminRefusedError(f"no tenant {wanted}")
    arguments["tenant"] = tenant = wanted if identity.tenant is None else identity.tenant
    return tenant
