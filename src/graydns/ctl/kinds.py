"""Kinds of arguments: what they must look like, and what the shell offers for them."""

from __future__ import annotations

import re
from typing import Any

import click
from click.shell_completion import CompletionItem

from graydns.ctl.names import names_of

DURATION = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h|d)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Known(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A name that the server knows: of a ``service``, ``zone`` or ``tenant``."""

    def __init__(self, what: str) -> None:
        self.name = what

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Those that begin so."""
        return _items(names_of(ctx.obj).of(self.name), incomplete)


class VersionOf(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A version of the service that the command names."""

    name = "version"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Those that begin so."""
        return _items(_versions(ctx), incomplete)


class Share(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """``VERSION=VALUE``; converts to the pair."""

    name = "version=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The pair of texts."""
        version, equals, amount = str(value).partition("=")
        if not (version and equals and amount):
            self.fail(f"{value!r} is not VERSION=VALUE", param, ctx)
        return version, amount

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Versions, ready for the value."""
        return _items([f"{version}=" for version in _versions(ctx)], incomplete)


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """``30m``; converts to seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        if not (match := DURATION.fullmatch(str(value))):
            self.fail(f"{value!r} is not a duration such as 30m, in ms, s, m, h or d", param, ctx)
        return int(match[1]) * SECONDS[match[2]]


def once_each(pairs: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """*pairs* as a dict. Raises click.UsageError if a key comes twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise click.UsageError("the same name is given twice")
    return found


def _versions(ctx: click.Context) -> list[str]:
    service = ctx.params.get("service")
    return names_of(ctx.obj).versions(service) if isinstance(service, str) else []


def _items(known: list[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(each) for each in known if each.startswith(incomplete)]
