"""Commands that change the server as a whole: reload, history, gray, cache."""

from __future__ import annotations

from typing import Any

import click

from graydns.ctl.cli_context import CliContext, JsonCommand, JsonGroup, print_result, show_progress
from graydns.ctl.output import print_value, table_printer
from graydns.ctl.parameter_types import NameParameter
from graydns.ctl.service_commands import local_option

#: Names of a kind that a line of the history shows.
MAX_SHOWN_NAMES = 4


@click.command(cls=JsonCommand)
@click.option("--force", is_flag=True, help="Even where config_version is not higher.")
@click.option("--prune", metavar="ZONE", type=NameParameter("zone"), help="Let go of a zone whose file has vanished.")
@click.pass_obj
def reload(tool: CliContext, force: bool, prune: str | None) -> None:
    """Take up changed files now."""
    if force and prune:
        raise click.UsageError("--force and --prune do not go together")
    with show_progress("reloading"):
        plain = "reload_force" if force else "reload"
        done = tool.call("reload_prune", zone=prune) if prune else tool.call(plain)
    print_result(done, print_value)


@click.group(cls=JsonGroup)
def history() -> None:
    """Look at the last snapshots, go back to one."""


@history.command("list")
@click.pass_obj
def history_list(tool: CliContext) -> None:
    """List the last snapshots and what changed with each."""
    print_result(tool.call("history"), print_history)


def print_history(rows: list[dict[str, Any]]) -> None:
    """Print a history, what changed being shortened."""
    table_printer("number", "at", "actor")(
        [row | {"changes": format_changes(row.get("changes") or {})} for row in rows]
    )


def format_changes(changes: dict[str, dict[str, Any]]) -> str:
    """``+zones a.test; *rules ads, vip``: what was added (+), removed (-) and altered (*), a few names of each."""
    signs = {"+": "added", "-": "removed", "*": "altered"}
    parts = []
    for kind, each in changes.items():
        for sign, key in signs.items():
            if names := each.get(key):
                rest = f" and {len(names) - MAX_SHOWN_NAMES} more" if len(names) > MAX_SHOWN_NAMES else ""
                parts.append(f"{sign}{kind} {', '.join(names[:MAX_SHOWN_NAMES])}{rest}")
        if more := each.get("more"):
            parts.append(f"{more} more {kind}")
    return "; ".join(parts) or "-"


@history.command("rollback")
@click.argument("number", type=click.IntRange(0))
@click.pass_obj
def history_rollback(tool: CliContext, number: int) -> None:
    """Go back to snapshot NUMBER."""
    with show_progress("rolling back"):
        done = tool.call("rollback", number=number)
    print_result(done, print_value)


@click.group(cls=JsonGroup)
def gray() -> None:
    """Switch gray routing off and on."""


@gray.command("off")
@click.option("--tenant", type=NameParameter("tenant"), help="Only this tenant's services.")
@local_option
@click.pass_obj
def gray_off(tool: CliContext, tenant: str | None, local: bool) -> None:
    """Send all services to their default versions, until `gray on`; a restart does not end it.

    Where policies come from Consul, on all nodes.
    """
    print_result(tool.call("gray_off", tenant=tenant, local=local), print_value)


@gray.command("on")
@click.option("--tenant", type=NameParameter("tenant"), help="Only this tenant's services.")
@local_option
@click.pass_obj
def gray_on(tool: CliContext, tenant: str | None, local: bool) -> None:
    """End `gray off`."""
    print_result(tool.call("gray_on", tenant=tenant, local=local), print_value)


@click.group(cls=JsonGroup)
def cache() -> None:
    """Look into the caches, empty them."""


@cache.command("stats")
@click.pass_obj
def cache_stats(tool: CliContext) -> None:
    """Tell how full the caches are and how often they helped."""
    print_result(tool.call("cache_stats"), print_value)


@cache.command("lookup")
@click.argument("name")
@click.argument("rdtype", metavar="TYPE", default="A")
@click.pass_obj
def cache_lookup(tool: CliContext, name: str, rdtype: str) -> None:
    """Show what is cached for NAME and TYPE."""
    print_result(tool.call("cache_lookup", name=name, rdtype=rdtype.upper()), print_value)


@cache.command("flush")
@click.argument("name", required=False)
@click.option("--cohort", help="Only answers for this cohort, as `explain` writes it.")
@click.option("--tenant", type=NameParameter("tenant"), help="Only this tenant's.")
@click.pass_obj
def cache_flush(tool: CliContext, name: str | None, cohort: str | None, tenant: str | None) -> None:
    """Forget cached answers: all, or those for NAME."""
    print_result(tool.call("cache_flush", name=name, cohort=cohort, tenant=tenant), print_value)
