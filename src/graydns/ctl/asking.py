"""Commands that ask why: explain, why, trace."""

from __future__ import annotations

from typing import Any

import click

from graydns.ctl.kinds import once_each
from graydns.ctl.tables import show
from graydns.ctl.tool import Command, Tool, tell


@click.command(cls=Command)
@click.argument("name")
@click.argument("rdtype", metavar="[TYPE]", default="A")
@click.option("--source", metavar="ADDRESS", help="Address of the one who asks.")
@click.option("--subnet", metavar="CIDR", help="Client subnet (ECS) in the query.")
@click.option("--client", metavar="ID", help="Identity: tls:…, tsig:… or client:….")
@click.option("--tag", "tags", metavar="K=V", multiple=True, help="A tag in the query; may be repeated.")
@click.option("--transport", type=click.Choice(["udp", "tcp", "tls"]), default="udp", show_default=True)
@click.option("--tenant", help="Whose rules, for a name that is in no zone.")
@click.pass_obj
def explain(tool: Tool, /, name: str, rdtype: str, tags: tuple[str, ...], **asked: Any) -> None:
    """Tell what a client would get for NAME and why: every rule, in the order in which they are tried."""
    pairs = once_each(tuple(_pair(tag) for tag in tags))
    tell(tool.call("explain", name=name, rdtype=rdtype.upper(), tags=pairs or None, **asked), show)


@click.command(cls=Command)
@click.option("--last", "client", metavar="CLIENT", required=True, help="Address, subnet or identity.")
@click.pass_obj
def why(tool: Tool, client: str) -> None:
    """Explain the last answers that CLIENT really got."""
    tell(tool.call("why", client=client), lambda rows: show(rows) if rows else show("nothing is kept of that client"))


@click.command(cls=Command)
@click.argument("name")
@click.option("--watch/--no-watch", default=None, help="Begin or end to keep what queries for NAME pass.")
@click.option("--last", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many queries.")
@click.pass_obj
def trace(tool: Tool, name: str, watch: bool | None, last: int) -> None:
    """Show the last queries for NAME with the stages they passed and their times in microseconds.

    They are kept from --watch on, until --no-watch.
    """
    if watch is not None:
        tell(tool.call("trace_watch", name=name, on=watch), show)
        return
    rows = tool.call("trace", name=name, last=last)
    tell(rows, lambda rows: show(rows) if rows else show("nothing is kept; begin with --watch"))


def _pair(tag: str) -> tuple[str, str]:
    key, equals, value = tag.partition("=")
    if not (key and equals):
        raise click.UsageError(f"{tag!r} is not KEY=VALUE")
    return key, value
