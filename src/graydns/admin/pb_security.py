"""The values that may cross a connection of the admin interface, and the error that may."""

from __future__ import annotations

from typing import Any, TypeAlias

from twisted.spread import pb
from twisted.spread.jelly import Jellyable

from graydns.operations.operation import REFUSED_ERROR_NAME
from graydns.runtime.twisted_types import SecurityOptions

#: What crosses a connection: None, bool, int, float, str, bytes, and lists and dicts of these.
PlainValue: TypeAlias = Any
PlainObject: TypeAlias = dict[str, PlainValue]

#: The names that jelly gives to the types of values sent, and the first items of values received.
_OUTGOING_TYPES = (b"bool", b"bytes", b"dict", b"float", b"int", b"list", b"NoneType", b"str", b"tuple")
_INCOMING_TYPES = (b"None", b"boolean", b"dictionary", b"list", b"tuple", b"unicode")
ALLOWED_TYPES = frozenset((*_INCOMING_TYPES, *(b"builtins." + name for name in _OUTGOING_TYPES)))


class AdminRefusedError(pb.Error, Jellyable):
    """The only error that is sent to a client; it has a text and nothing else."""

    def jellyFor(self, jellier: Any) -> list[object]:
        """Its name and text, for jelly."""
        return [REFUSED_ERROR_NAME, jellier.jelly(str(self))]


class AdminSecurityOptions(SecurityOptions):
    """Allows None, booleans, numbers, texts, bytes, lists, tuples and dicts; no instance of any class.

    References within a value are not allowed either: with them a few bytes can make a value of any size.
    """

    def isTypeAllowed(self, typeName: bytes | str) -> bool:
        """Whether values of the type *typeName* may cross."""
        return (typeName if isinstance(typeName, bytes) else typeName.encode()) in ALLOWED_TYPES

    def isModuleAllowed(self, moduleName: bytes | str) -> bool:
        """No."""
        return False

    def isClassAllowed(self, klass: type) -> bool:
        """No."""
        return False
