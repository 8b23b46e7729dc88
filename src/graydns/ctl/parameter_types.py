"""The types of arguments of graydnsctl: how they are parsed and completed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from attrs import define, field
from click.shell_completion import CompletionItem

#: Seconds for which names from the server are cached.
COMPLETION_TTL_SECONDS = 10.0


@define(eq=False)
class NameCompletions:
    """Names that the server knows, for completion; none while it cannot be reached. *call*: calls an operation."""

    call: Callable[[str], Any] = field(repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _cached_rows: dict[str, tuple[float, list[dict[str, Any]]]] = field(init=False, factory=dict)

    def list_names(self, what: str) -> list[str]:
        """All names of *what*: ``service``, ``zone`` or ``tenant``."""
        if what == "service":
            return [row["name"] for row in self._fetch_rows("services")]
        if what == "zone":
            return [row["zone"] for row in self._fetch_rows("zones")]
        return sorted({row["tenant"] for row in self._fetch_rows("zones")})

    def list_versions(self, service: str) -> list[str]:
        """The versions of *service*."""
        return [
            version for row in self._fetch_rows("services") if row["name"] == service for version in row["versions"]
        ]

    def _fetch_rows(self, command: str) -> list[dict[str, Any]]:
        now = self.clock()
        at, rows = self._cached_rows.get(command, (-COMPLETION_TTL_SECONDS, []))
        if now - at >= COMPLETION_TTL_SECONDS:
            try:
                rows = self.call(command)
            except Exception:
                rows = []  # an error would disturb the line that is being typed
            self._cached_rows[command] = now, rows
        return rows


if TYPE_CHECKING:
    ParameterType = click.ParamType[Any]
else:  # generic since click 8.4 only
    ParameterType = click.ParamType

DURATION_PATTERN = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h|d)")
SECONDS_BY_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class NameParameter(ParameterType):
    """A name that the server knows: of a ``service``, ``zone`` or ``tenant``."""

    def __init__(self, what: str) -> None:
        self.name = what

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin with *incomplete*."""
        return _to_completion_items(ctx.obj.completions.list_names(self.name), incomplete)


class VersionParameter(ParameterType):
    """A version of the service in the argument ``name``."""

    name = "version"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin with *incomplete*."""
        return _to_completion_items(_list_service_versions(ctx), incomplete)


class PairParameter(ParameterType):
    """``KEY=VALUE``; converts to the pair."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The pair of texts. Raises click.UsageError."""
        key, equals, text = str(value).partition("=")
        if not (key and equals):
            raise click.UsageError(f"{value!r} is not KEY=VALUE")
        return key, text


class ShareParameter(ParameterType):
    """``VERSION=VALUE``; converts to the pair."""

    name = "version=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The pair of texts."""
        version, equals, amount = str(value).partition("=")
        if not (version and equals and amount):
            self.fail(f"{value!r} is not VERSION=VALUE", param, ctx)
        return version, amount

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The versions, each with an equals sign."""
        return _to_completion_items([f"{version}=" for version in _list_service_versions(ctx)], incomplete)


class DurationParameter(ParameterType):
    """``30m``; converts to seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        if not (match := DURATION_PATTERN.fullmatch(str(value))):
            self.fail(f"{value!r} is not a duration such as 30m, in ms, s, m, h or d", param, ctx)
        return int(match[1]) * SECONDS_BY_UNIT[match[2]]


def to_unique_dict(pairs: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """*pairs* as a dict. Raises click.UsageError if a key is repeated."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise click.UsageError("the same name is given twice")
    return found


def parse_integer(text: str) -> int:
    """*text* as a whole number. Raises click.UsageError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise click.UsageError(f"{text!r} is not a whole number")
    return int(text)


def _list_service_versions(ctx: click.Context) -> list[str]:
    service = ctx.params.get("name")
    return ctx.obj.completions.list_versions(service) if isinstance(service, str) else []


def _to_completion_items(known: list[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(each) for each in known if each.startswith(incomplete)]
