"""Operation: one operation of the admin interface, as data: arguments, least role, tenant scope, audit action, reply.

The server, graydnsctl, the tables of docs/admin.md and the test double are all made from it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from itertools import takewhile
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from attrs import field, frozen

#: Default of an argument without which an operation cannot be called.
REQUIRED = inspect.Parameter.empty

#: Characters of a text in an argument, and items of a list or dict.
MAX_TEXT_CHARACTERS = 4096
MAX_CONTAINER_ITEMS = 10_000

#: Bytes of one request, and characters of a text that is sent in parts (a transaction of Consul's KV takes no more).
MAX_REQUEST_BYTES = 32 << 10
MAX_UPLOAD_CHARACTERS = 512 << 10

#: The name of the error with which the server refuses a call.
REFUSED_ERROR_NAME = b"graydns.refused"


class TenantScope(Enum):
    """What an operation concerns, and so whether a user of one tenant may call it."""

    #: Nothing of any tenant, or the operation itself leaves out what belongs to others.
    OWN = auto()
    #: The service that the argument ``name`` names.
    SERVICE = auto()
    #: The domain name in the argument ``name``, which has to be in a zone of the tenant.
    NAME = auto()
    #: The tenant in the argument ``tenant``, None = all.
    TENANT = auto()
    #: The same; the domain name in the argument ``name`` must not be in a zone of another tenant.
    TENANT_AND_ZONE = auto()
    #: The server as a whole: refused to users of one tenant.
    SERVER = auto()


class ArgumentKind(Enum):
    """What graydnsctl makes of the text that a user types for an argument, and what it offers for completion."""

    PLAIN = auto()
    #: Names that the server knows.
    SERVICE = auto()
    VERSION = auto()
    ZONE = auto()
    TENANT = auto()
    #: ``30m``, sent as seconds.
    DURATION = auto()
    #: A record type, sent in upper case.
    RDTYPE = auto()
    #: ``KEY=VALUE``, repeatable, sent as a dict.
    PAIRS = auto()
    #: ``VERSION=VALUE``, several, sent as a dict.
    SHARES = auto()


@frozen
class Argument:
    """One argument.

    *type*: str, int, float, bool, list[…], dict[…, …] or a union of these with None. *option*: how graydnsctl calls it,
    such as ``--last``; "" = by its position. *cli_default*: what graydnsctl takes for the text that was not typed;
    None = *default*. *bounds*: lowest and highest number that graydnsctl accepts, None = no limit. *is_offered*: False
    if graydnsctl sets it by itself.
    """

    name: str
    type: Any = str
    default: Any = REQUIRED
    help: str = ""
    option: str = ""
    metavar: str = ""
    cli_default: str | None = None
    kind: ArgumentKind = ArgumentKind.PLAIN
    choices: tuple[str, ...] = ()
    bounds: tuple[int | None, int | None] | None = None
    is_offered: bool = True

    @property
    def usage(self) -> str:
        """How it is written in a command: ``NAME``, ``[TYPE]``, ``--last INTEGER``."""
        shown = self.metavar or (self.kind.name if self.kind.name in ("SERVICE", "ZONE", "TENANT") else "")
        if self.option:
            shown = shown or ("DURATION" if self.kind is ArgumentKind.DURATION else "|".join(self.choices))
            return self.option if self.type is bool else f"{self.option} {shown or _type_name(self.type)}"
        return shown or (self.name.upper() if self.default is REQUIRED else f"[{self.name.upper()}]")


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@frozen
class Reply:
    """The shape of a reply: an object, or a list of objects.

    *keys*: of the object; () = they vary. *meanings*: of some of them, in Markdown. *parts*: the shape of what some of
    them hold. *order*: of a list. *columns*: the keys that come first in the table that graydnsctl prints.
    *empty_text*: what it prints for an empty list. *tenant_keys*: the keys that users of one tenant get; () = all.
    *note*: Markdown. Keys are given as one text, separated by spaces.
    """

    keys: tuple[str, ...] = field(default="", converter=_split)
    meanings: Mapping[str, str] = field(factory=dict)
    is_list: bool = False
    order: str = ""
    columns: tuple[str, ...] = field(default="", converter=_split)
    empty_text: str = ""
    parts: Mapping[str, Reply] = field(factory=dict)
    tenant_keys: tuple[str, ...] = field(default="", converter=_split)
    note: str = ""

    def example(self) -> Any:
        """A reply of this shape, with None for every value."""
        made: dict[str, Any] = dict.fromkeys(self.keys)
        return [made] if self.is_list else made


#: The reply of an operation that changes something.
CHANGE = Reply(
    "before after",
    note="and what the change adds (`service`, `tenant`, `until`, `nodes` (`all` or `this one`), `published`, `pruned` "
    "in `after`…), and `warning` if there is one",
)

#: Arguments of several operations.
TENANT = Argument("tenant", str | None, None, "Only this tenant's.", "--tenant", kind=ArgumentKind.TENANT)
RDTYPE = Argument("rdtype", metavar="[TYPE]", cli_default="A", kind=ArgumentKind.RDTYPE)


@frozen
class Operation:
    """One operation. *name*: over Perspective Broker, and of the method of the control plane.

    *role*: the least that may call it. *caller*: what the control plane gets of the caller besides *arguments*:
    ``actor``, ``tenant``. *action*: its name in the audit log; "" = not audited. *target*: the argument that says what
    is changed, for the audit log. *command*: of graydnsctl, such as ``cache flush``; "" = none. *summary*, *details*:
    its help, *docs* what docs/admin.md says besides (Markdown). *progress*: shown while graydnsctl waits. *in_thread*:
    whether the method waits for a disk.
    """

    name: str
    role: str
    scope: TenantScope
    summary: str
    reply: Reply
    arguments: tuple[Argument, ...] = ()
    caller: tuple[str, ...] = ()
    action: str = ""
    target: str = ""
    command: str = ""
    details: str = ""
    docs: str = ""
    progress: str = ""
    in_thread: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The words of *command*, without the option that some have behind them."""
        return tuple(takewhile(lambda word: not word.startswith("-"), self.command.split()))

    @property
    def signature(self) -> inspect.Signature:
        """Its arguments as those of a function."""
        return make_signature(self.arguments)


def make_signature(arguments: Iterable[Argument]) -> inspect.Signature:
    """The signature of a function that takes *arguments*, by position or name."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [inspect.Parameter(each.name, kind, default=each.default, annotation=each.type) for each in arguments]
    )


def matches_type(value: Any, hint: Any) -> bool:
    """Whether *value* is a *hint*, as in ``Argument.type``. An int is accepted for a float."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(matches_type(value, part) for part in parts)
    if origin is list:
        return type(value) is list and _all_match(value, parts[0])
    if origin is dict:
        return type(value) is dict and _all_match(value, parts[0]) and _all_match(value.values(), parts[1])
    if hint is str:
        return type(value) is str and len(value) <= MAX_TEXT_CHARACTERS
    if hint is float:
        return type(value) in (int, float) and abs(value) < 1e15
    return type(value) is hint and hint in (int, bool, NoneType)


def _all_match(values: Any, hint: Any) -> bool:
    return len(values) <= MAX_CONTAINER_ITEMS and all(matches_type(value, hint) for value in values)


def _type_name(hint: Any) -> str:
    return "INTEGER" if hint is int else "TEXT"
