"""Arguments: what a client sent, checked against what a method takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from attrs import frozen

from graydns.admin.control_interface import PlainValue
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
