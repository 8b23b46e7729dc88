"""Arguments: what a client sent, checked against what a method takes.

Scope: what of the server a call concerns, and so whether a user of one tenant may make it.

What is of another tenant is answered like what does not exist.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum, auto
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from attrs import frozen

from graydns.admin.checkers import AdminIdentity
from graydns.admin.control_interface import ControlInterface, PlainValue
from graydns.admin.pb_security import AdminRefusedError
from graydns.runtime.twisted_types import Broker

#: Characters of a text argument, and items of a list or dict argument.
MAX_TEXT_CHARACTERS = 4096
MAX_CONTAINER_ITEMS = 10_000


@frozen
class ArgumentSignature:
    """The parameters of a method, *self* left out."""

    signature: inspect.Signature
    hints: dict[str, Any]

    @classmethod
    def from_function(cls, function: Callable[..., object]) -> ArgumentSignature:
        """What *function* takes."""
        signature = inspect.signature(function)
        parameters = [each for name, each in signature.parameters.items() if name != "self"]
        return cls(signature.replace(parameters=parameters), get_type_hints(function))

    def read(self, broker: Broker, args: object, kw: object) -> dict[str, PlainValue]:
        """The arguments in *args* and *kw* as they came over *broker*. Raises AdminRefusedError."""
        try:
            positional = broker.unserialize(args)
            named = broker.unserialize(kw)
        except Exception:
            raise AdminRefusedError("only plain values may be sent") from None
        return self.bind(positional, named)

    def bind(self, positional: PlainValue, named: PlainValue) -> dict[str, PlainValue]:
        """All arguments by name, those left out included. Raises AdminRefusedError."""
        try:
            bound = self.signature.bind(*positional, **named)
        except TypeError as error:
            raise AdminRefusedError(f"wrong arguments: {error}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if not matches_type(value, self.hints[name]):
                raise AdminRefusedError(f"wrong argument {name}")
        return dict(bound.arguments)


def matches_type(value: PlainValue, hint: Any) -> bool:
    """Whether *value* is a *hint*: a plain type, a list or dict of such, or a union. A whole number is a float too."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(matches_type(value, part) for part in parts)
    if origin is list:
        return (
            type(value) is list
            and len(value) <= MAX_CONTAINER_ITEMS
            and all(matches_type(each, parts[0]) for each in value)
        )
    if origin is dict:
        return (
            type(value) is dict
            and len(value) <= MAX_CONTAINER_ITEMS
            and all(_pair_matches(pair, parts) for pair in value.items())
        )
    if hint is str:
        return type(value) is str and len(value) <= MAX_TEXT_CHARACTERS
    if hint is float:
        return type(value) in (int, float) and abs(value) < 1e15
    return type(value) is hint and hint in (int, bool, NoneType)


def _pair_matches(pair: tuple[PlainValue, PlainValue], parts: tuple[Any, ...]) -> bool:
    return matches_type(pair[0], parts[0]) and matches_type(pair[1], parts[1])


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
