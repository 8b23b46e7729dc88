"""Security: what may cross a connection of the admin interface."""

from __future__ import annotations

from typing import Any, TypeAlias

from twisted.spread import pb
from twisted.spread.jelly import Jellyable

from graydns.runtime.twisted_types import SecurityOptions

#: What crosses a connection: None, bool, int, float, str, bytes, and lists and dicts of these.
PlainValue: TypeAlias = Any
PlainObject: TypeAlias = dict[str, PlainValue]

#: As jelly calls the types of values going out, and the heads of values coming in.
_OUTGOING_TYPES = (b"bool", b"bytes", b"dict", b"float", b"int", b"list", b"NoneType", b"str", b"tuple")
_INCOMING_TYPES = (b"None", b"boolean", b"dictionary", b"list", b"tuple", b"unicode")
ALLOWED_TYPES = frozenset((*_INCOMING_TYPES, *(b"builtins." + name for name in _OUTGOING_TYPES)))


#: How Refused is called on its way.
REFUSED_ERROR_NAME = b"graydns.refused"


class AdminRefusedError(pb.Error, Jellyable):
    """The one error that a client gets to see; it carries text and nothing else."""

    def jellyFor(self, jellier: Any) -> list[object]:
        """The name and the text."""
        return [REFUSED_ERROR_NAME, jellier.jelly(str(self))]


class AdminSecurityOptions(SecurityOptions):
    """Nothing but None, booleans, numbers, texts, octets, lists, tuples and dicts; no instance of any class.

    No references within a value either: with them a few octets can stand for a value of any size.
    """

    def isTypeAllowed(self, typeName: bytes | str) -> bool:
        """Whether a value of that type, or with that head, may pass."""
        return (typeName if isinstance(typeName, bytes) else typeName.encode()) in ALLOWED_TYPES

    def isModuleAllowed(self, moduleName: bytes | str) -> bool:
        """No module may."""
        return False

    def isClassAllowed(self, klass: type) -> bool:
        """No class may."""
        return False
