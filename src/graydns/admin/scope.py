"""Scope: what of the server a call concerns, and so whether a user of one tenant may make it.

What is of another tenant is answered like what does not exist.
"""

from __future__ import annotations

from enum import Enum, auto

from graydns.admin.control import Control, Plain
from graydns.admin.identity import Identity
from graydns.admin.security import Refused


class Scope(Enum):
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


def narrow(scope: Scope, who: Identity, control: Control, arguments: dict[str, Plain]) -> str | None:
    """Check *arguments*, and set them to what *who* can mean; the tenant concerned, None = all. Raises Refused."""
    match scope:
        case Scope.SERVICE:
            return _service(who, control, arguments)
        case Scope.NAME if who.tenant is not None:
            _own_name(who.tenant, control, arguments["name"])
        case Scope.TENANT:
            return _tenant(who, arguments)
        case Scope.WHOLE if who.tenant is not None:
            raise Refused(f"that concerns all tenants; {who.actor} is of the tenant {who.tenant}")
    return who.tenant


def plain_name(name: str) -> str:
    """*name* as it is compared: without the final dot and letter case."""
    return name.removesuffix(".").lower()


def _service(who: Identity, control: Control, arguments: dict[str, Plain]) -> str | None:
    wanted = plain_name(arguments["name"])
    for row in control.services(who.tenant):
        if plain_name(row["name"]) == wanted and who.tenant in (None, row["tenant"]):
            arguments["name"] = row["name"]
            return str(row["tenant"])
    if who.tenant is None:
        return None  # control has the words for it, and may know live changes of a service that no file has any more
    raise Refused(f"no service {arguments['name']}")


def _own_name(tenant: str, control: Control, name: str) -> None:
    owner = owner_of(name, control)
    if owner != tenant:
        raise Refused(f"{name} is in no zone of the tenant {tenant}")


def owner_of(name: str, control: Control) -> str | None:
    """The tenant of the zone that *name* is in; None if it is in none."""
    owners = {plain_name(row["zone"]): str(row["tenant"]) for row in control.zones()}
    rest = plain_name(name)
    while rest:
        if rest in owners:
            return owners[rest]
        rest = rest.partition(".")[2]
    return owners.get("")


def _tenant(who: Identity, arguments: dict[str, Plain]) -> str | None:
    asked: str | None = arguments["tenant"]
    if who.tenant is not None and asked not in (None, who.tenant):
        raise Refused(f"no tenant {asked}")
    arguments["tenant"] = tenant = asked if who.tenant is None else who.tenant
    return tenant
