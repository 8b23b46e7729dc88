"""Commands that change the server as a whole: reload, history, gray, cache."""

from __future__ import annotations

from typing import Any

import click

from graydns.ctl.kinds import Known
from graydns.ctl.service import local_option
from graydns.ctl.tables import show, shower
from graydns.ctl.tool import Command, Group, Tool, progress, tell

#: Names of a kind that a line of the history shows.
FEW = 4


@click.command(cls=Command)
@click.option("--force", is_flag=True, help="Even where config_version is not higher.")
@click.option("--prune", metavar="ZONE", type=Known("zone"), help="Let go of a zone whose file has vanished.")
@click.pass_obj
def reload(tool: Tool, force: bool, prune: str | None) -> None:
    """Take up changed files now."""
    if force and prune:
        raise click.UsageError("--force and --prune do not go together")
    with progress("reloading"):
        plain = "reload_force" if force else "reload"
        done = tool.call("reload_prune", zone=prune) if prune else tool.call(plain)
    tell(done, show)


@click.group(cls=Group)
def history() -> None:
    """Look at the last snapshots, go back to one."""


@history.command("list")
@click.pass_obj
def history_list(tool: Tool) -> None:
    """List the last snapshots and what changed with each."""
    tell(tool.call("history"), show_history)


def show_history(rows: list[dict[str, Any]]) -> None:
    """Print a history, what changed being shortened."""
    shower("number", "at", "actor")([row | {"changes": shortened(row.get("changes") or {})} for row in rows])


def shortened(changes: dict[str, dict[str, Any]]) -> str:
    """``+zones a.test; *rules ads, vip``: what was added (+), removed (-) and altered (*), a few names of each."""
    signs = {"+": "added", "-": "removed", "*": "altered"}
    parts = []
    for kind, each in changes.items():
        for sign, key in signs.items():
            if names := each.get(key):
                rest = f" and {len(names) - FEW} more" if len(names) > FEW else ""
                parts.append(f"{sign}{kind} {', '.join(names[:FEW])}{rest}")
        if more := each.get("more"):
            parts.append(f"{more} more {kind}")
    return "; ".join(parts) or "-"


@history.command("rollback")
@click.argument("number", type=click.IntRange(0))
@click.pass_obj
def history_rollback(tool: Tool, number: int) -> None:
    """Go back to snapshot NUMBER."""
    with progress("rolling back"):
        done = tool.call("rollback", number=number)
    tell(done, show)


@click.group(cls=Group)
def gray() -> None:
    """Switch gray routing off and on."""


@gray.command("off")
@click.option("--tenant", type=Known("tenant"), help="Only this tenant's services.")
@local_option
@click.pass_obj
def gray_off(tool: Tool, tenant: str | None, local: bool) -> None:
    """Send all services to their default versions, until `gray on`; a restart does not end it.

    Where policies come from Consul, on all nodes.
    """
    tell(tool.call("gray_off", tenant=tenant, local=local), show)


@gray.command("on")
@click.option("--tenant", type=Known("tenant"), help="Only this tenant's services.")
@local_option
@click.pass_obj
def gray_on(tool: Tool, tenant: str | None, local: bool) -> None:
    """End `gray off`."""
    tell(tool.call("gray_on", tenant=tenant, local=local), show)


@click.group(cls=Group)
def cache() -> None:
    """Look into the caches, empty them."""


@cache.command("stats")
@click.pass_obj
def cache_stats(tool: Tool) -> None:
    """Tell how full the caches are and how often they helped."""
    tell(tool.call("cache_stats"), show)


@cache.command("lookup")
@click.argument("name")
@click.argument("rdtype", metavar="TYPE", default="A")
@click.pass_obj
def cache_lookup(tool: Tool, name: str, rdtype: str) -> None:
    """Show what is cached for NAME and TYPE."""
    tell(tool.call("cache_lookup", name=name, rdtype=rdtype.upper()), show)


@cache.command("flush")
@click.argument("name", required=False)
@click.option("--cohort", help="Only answers for this cohort, as `explain` writes it.")
@click.option("--tenant", type=Known("tenant"), help="Only this tenant's.")
@click.pass_obj
def cache_flush(tool: Tool, name: str | None, cohort: str | None, tenant: str | None) -> None:
    """Forget cached answers: all, or those for NAME."""
    tell(tool.call("cache_flush", name=name, cohort=cohort, tenant=tenant), show)
