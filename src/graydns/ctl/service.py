"""``graydnsctl service``: one service, what it answers, and changing that live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from graydns.ctl.kinds import Duration, Known, Share, VersionOf, once_each
from graydns.ctl.tables import show, shower
from graydns.ctl.tool import Group, Tool, tell

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group(cls=Group)
def service() -> None:
    """Look at services and change them live.

    A live change counts before the file, outlasts a restart, and is undone by `service revert`.
    """


def named(function: Function) -> Function:
    """With the argument SERVICE."""
    return click.argument("service", type=Known("service"))(function)


def lasting(function: Function) -> Function:
    """With the option --for."""
    text = "How long it counts, such as 2h; without it until `service revert`."
    return click.option("--for", "seconds", type=Duration(), help=text)(function)


def local_option(function: Function) -> Function:
    """With the option --local."""
    text = "On this node only, where policies come from Consul."
    return click.option("--local", is_flag=True, help=text)(function)


@service.command("list")
@click.option("--tenant", type=Known("tenant"), help="Only this tenant's.")
@click.pass_obj
def service_list(tool: Tool, tenant: str | None) -> None:
    """List the services."""
    tell(tool.call("services", tenant=tenant), shower("name", "tenant", "zone"))


@service.command("show")
@named
@click.pass_obj
def service_show(tool: Tool, service: str) -> None:
    """Show what the file says, what is so now, and what was served."""
    tell(tool.call("service_show", name=service), show)


@service.command("percent")
@named
@click.argument("shares", metavar="VERSION=PERCENT...", type=Share(), nargs=-1, required=True)
@lasting
@click.pass_obj
def service_percent(tool: Tool, service: str, shares: tuple[tuple[str, str], ...], seconds: float | None) -> None:
    """Give each VERSION its share of the clients, in steps of 0.0001 %."""
    tell(tool.call("service_percent", name=service, percent=once_each(shares), seconds=seconds), show)


@service.command("weights")
@named
@click.argument("shares", metavar="VERSION=WEIGHT...", type=Share(), nargs=-1, required=True)
@lasting
@click.pass_obj
def service_weights(tool: Tool, service: str, shares: tuple[tuple[str, str], ...], seconds: float | None) -> None:
    """Share the clients in proportion to whole numbers."""
    weights = once_each(tuple((version, whole(weight)) for version, weight in shares))
    tell(tool.call("service_weights", name=service, weights=weights, seconds=seconds), show)


@service.command("whitelist")
@named
@click.argument("version", type=VersionOf())
@click.option("--add", multiple=True, metavar="ENTRY", help="client:ID, tls:ID, tsig:ID or net:CIDR; may be repeated.")
@click.option("--remove", multiple=True, metavar="ENTRY", help="An entry that is there; may be repeated.")
@lasting
@click.pass_obj
def service_whitelist(
    tool: Tool, service: str, version: str, add: tuple[str, ...], remove: tuple[str, ...], seconds: float | None
) -> None:
    """Change who always gets VERSION."""
    if not add and not remove:
        raise click.UsageError("nothing to --add or --remove")
    arguments = {"version": version, "add": list(add), "remove": list(remove), "seconds": seconds}
    tell(tool.call("service_whitelist", name=service, **arguments), show)


@service.command("abort")
@named
@local_option
@click.pass_obj
def service_abort(tool: Tool, service: str, local: bool) -> None:
    """Send everybody to the default version at once; where policies come from Consul, on all nodes."""
    tell(tool.call("service_abort", name=service, local=local), show)


@service.command("revert")
@named
@local_option
@click.pass_obj
def service_revert(tool: Tool, service: str, local: bool) -> None:
    """Drop every live change, and an abort on all nodes: the file, or the policy, counts again."""
    tell(tool.call("service_revert", name=service, local=local), show)


def whole(text: str) -> int:
    """*text* as a whole number. Raises click.UsageError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise click.UsageError(f"{text!r} is not a whole number")
    return int(text)
