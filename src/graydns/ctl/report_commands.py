"""Commands that look at the server as a whole: status, config, zones, upstreams.

Commands that ask why: explain, why, trace.
"""

from __future__ import annotations

from typing import Any

import click

from graydns.ctl.cli_context import CliContext, JsonCommand, JsonGroup, print_result
from graydns.ctl.output import print_alert, print_fields, print_value, table_printer
from graydns.ctl.parameter_types import NameParameter, to_unique_dict
from graydns.model.transport import TRANSPORTS, UDP


@click.command(cls=JsonCommand)
@click.pass_obj
def status(tool: CliContext) -> None:
    """Tell what runs, since when, and where it departs from the files."""
    print_result(tool.call("status"), print_status)


def print_status(value: dict[str, Any]) -> None:
    """Print a status; what is switched off comes first."""
    if off := value.get("gray_off"):
        whom = "ALL TENANTS" if "*" in off or None in off else ", ".join(map(str, off))
        print_alert(f"GRAY ROUTING IS OFF for {whom}: every service answers with its default (`gray on` ends this)")
    print_fields(value)


@click.command(cls=JsonCommand)
@click.pass_obj
def whoami(tool: CliContext) -> None:
    """Tell who you are to the server, and what you may do."""
    print_result(tool.call("whoami"), print_value)


@click.group(cls=JsonGroup)
def config() -> None:
    """Look at the configuration."""


@config.command("show")
@click.option("--effective", is_flag=True, help="With defaults (there is no other way to show it).")
@click.pass_obj
def config_show(tool: CliContext, effective: bool) -> None:
    """Show the configuration that runs, with every default."""
    print_result(tool.call("config"), print_value)


@click.command(cls=JsonCommand)
@click.option("--tenant", type=NameParameter("tenant"), help="Only this tenant's.")
@click.pass_obj
def zones(tool: CliContext, tenant: str | None) -> None:
    """List the zones."""
    print_result(tool.call("zones", tenant=tenant), table_printer("zone", "tenant", "state"))


@click.command(cls=JsonCommand)
@click.pass_obj
def upstreams(tool: CliContext) -> None:
    """List the servers that are asked, and how they do."""
    print_result(tool.call("upstreams"), print_value)


@click.group(cls=JsonGroup)
def log() -> None:
    """Steer the log."""


@log.command("level")
@click.argument("level", type=click.Choice(["debug", "info", "warn", "error", "critical"]))
@click.pass_obj
def log_level(tool: CliContext, level: str) -> None:
    """Log from LEVEL up, until the next start."""
    print_result(tool.call("log_level", level=level), print_value)


@click.command(cls=JsonCommand)
@click.argument("name")
@click.argument("rdtype", metavar="[TYPE]", default="A")
@click.option("--source", metavar="ADDRESS", help="Address of the one who asks.")
@click.option("--subnet", metavar="CIDR", help="Client subnet (ECS) in the query.")
@click.option("--client", metavar="ID", help="Identity: tls:…, tsig:… or client:….")
@click.option("--tag", "tags", metavar="K=V", multiple=True, help="A tag in the query; may be repeated.")
@click.option("--transport", type=click.Choice(list(TRANSPORTS)), default=UDP.name, show_default=True)
@click.option("--tenant", help="Whose rules, for a name that is in no zone.")
@click.pass_obj
def explain(tool: CliContext, /, name: str, rdtype: str, tags: tuple[str, ...], **asked: Any) -> None:
    """Tell what a client would get for NAME and why: every rule, in the order in which they are tried."""
    pairs = to_unique_dict(tuple(_parse_tag(tag) for tag in tags))
    print_result(tool.call("explain", name=name, rdtype=rdtype.upper(), tags=pairs or None, **asked), print_value)


@click.command(cls=JsonCommand)
@click.option("--last", "client", metavar="CLIENT", required=True, help="Address, subnet or identity.")
@click.pass_obj
def why(tool: CliContext, client: str) -> None:
    """Explain the last answers that CLIENT really got."""
    print_result(
        tool.call("why", client=client),
        lambda rows: print_value(rows) if rows else print_value("nothing is kept of that client"),
    )


@click.command(cls=JsonCommand)
@click.argument("name")
@click.option("--watch/--no-watch", default=None, help="Begin or end to keep what queries for NAME pass.")
@click.option("--last", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many queries.")
@click.pass_obj
def trace(tool: CliContext, name: str, watch: bool | None, last: int) -> None:
    """Show the last queries for NAME with the stages they passed and their times in microseconds.

    They are kept from --watch on, until --no-watch.
    """
    if watch is not None:
        print_result(tool.call("trace_watch", name=name, on=watch), print_value)
        return
    rows = tool.call("trace", name=name, last=last)
    print_result(rows, lambda rows: print_value(rows) if rows else print_value("nothing is kept; begin with --watch"))


def _parse_tag(tag: str) -> tuple[str, str]:
    key, equals, value = tag.partition("=")
    if not (key and equals):
        raise click.UsageError(f"{tag!r} is not KEY=VALUE")
    return key, value
