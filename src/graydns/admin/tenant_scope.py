"""Scope: what of the server a call concerns, and so whether a user of one tenant may make it.

What is of another tenant is answered like what does not exist.
"""

from __future__ import annotations

from enum import Enum, auto

from graydns.admin.control_interface import ControlInterface, PlainValue
from graydns.admin.credentials import AdminIdentity
from graydns.admin.pb_security import AdminRefusedError


class TenantScope(Enum):
    """What a call concerns."""

    #: Nothing of any tenant, or the method itself leaves out what is of others.
    OWN = auto()
    #: The service that the argument *name* names.
    SERVICE = auto()
    #: The domain name in the argument *name*.
    NAME = auto()
    #: The tenant in the argument *tenant*, None = all.
    TENANT = auto()
    #: The server as a whole.
    WHOLE = auto()


def restrict_to_tenant(
    scope: TenantScope, who: AdminIdentity, control: ControlInterface, arguments: dict[str, PlainValue]
) -> str | None:
    """Check *arguments*, and set them to what *who* can mean; the tenant concerned, None = all. Raises
    AdminRefusedError."""
    match scope:
        case TenantScope.SERVICE:
            return _resolve_service(who, control, arguments)
        case TenantScope.NAME if who.tenant is not None:
            _check_name(who.tenant, control, arguments["name"])
        case TenantScope.TENANT:
            return _resolve_tenant(who, arguments)
        case TenantScope.WHOLE if who.tenant is not None:
            raise AdminRefusedError(f"that concerns all tenants; {who.actor} is of the tenant {who.tenant}")
    return who.tenant


def normalize_name(name: str) -> str:
    """*name* as it is compared: without the final dot and letter case."""
    return name.removesuffix(".").lower()


def _resolve_service(who: AdminIdentity, control: ControlInterface, arguments: dict[str, PlainValue]) -> str | None:
    wanted = normalize_name(arguments["name"])
    for row in control.services(who.tenant):
        if normalize_name(row["name"]) == wanted and who.tenant in (None, row["tenant"]):
            arguments["name"] = row["name"]
            return str(row["tenant"])
    if who.tenant is None:
        return None  # control has the words for it, and may know live changes of a service that no file has any more
    raise AdminRefusedError(f"no service {arguments['name']}")


def _check_name(tenant: str, control: ControlInterface, name: str) -> None:
    owner = find_zone_tenant(name, control)
    if owner != tenant:
        raise AdminRefusedError(f"{name} is in no zone of the tenant {tenant}")


def find_zone_tenant(name: str, control: ControlInterface) -> str | None:
    """The tenant of the zone that *name* is in; None if it is in none."""
    owners = {normalize_name(row["zone"]): str(row["tenant"]) for row in control.zones()}
    rest = normalize_name(name)
    while rest:
        if rest in owners:
            return owners[rest]
        rest = rest.partition(".")[2]
    return owners.get("")


def _resolve_tenant(who: AdminIdentity, arguments: dict[str, PlainValue]) -> str | None:
    asked: str | None = arguments["tenant"]
    if who.tenant is not None and asked not in (None, who.tenant):
        raise AdminRefusedError(f"no tenant {asked}")
    arguments["tenant"] = tenant = asked if who.tenant is None else who.tenant
    return tenant
