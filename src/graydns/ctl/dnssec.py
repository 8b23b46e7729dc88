"""Commands about validation: nta, dnssec."""

from __future__ import annotations

from typing import Any

import click

from graydns.ctl.kinds import Duration, Known
from graydns.ctl.tables import fields, show, shower, table
from graydns.ctl.tool import Group, Tool, tell


@click.group(cls=Group)
def nta() -> None:
    """Let names whose signatures are broken count as unsigned for a while (RFC 7646)."""


@nta.command("list")
@click.pass_obj
def nta_list(tool: Tool) -> None:
    """List the negative trust anchors, those of the configuration included."""
    tell(tool.call("nta_list"), shower("name", "source", "until"))


@nta.command("add")
@click.argument("name")
@click.option("--for", "seconds", type=Duration(), default="1d", show_default=True, help="How long; 30d at most.")
@click.option("--reason", default="", help="Why, for those who look at the list later.")
@click.pass_obj
def nta_add(tool: Tool, name: str, seconds: float, reason: str) -> None:
    """Let NAME and all below it count as unsigned, from now on and over restarts.

    Look first whether the zone is broken, and not attacked: its operators know.
    """
    tell(tool.call("nta_add", name=name, seconds=seconds, reason=reason), show)


@nta.command("remove")
@click.argument("name")
@click.pass_obj
def nta_remove(tool: Tool, name: str) -> None:
    """Let signatures count again at NAME and below."""
    tell(tool.call("nta_remove", name=name), show)


@click.group(cls=Group)
def dnssec() -> None:
    """Look at how answers are validated."""


@dnssec.command("explain")
@click.argument("name")
@click.argument("rdtype", metavar="[TYPE]", default="A")
@click.option("--tenant", type=Known("tenant"), help="As for this tenant's clients.")
@click.option("--cd", is_flag=True, help="Also show the records, as clients with the CD bit get them.")
@click.pass_obj
def dnssec_explain(tool: Tool, name: str, rdtype: str, tenant: str | None, cd: bool) -> None:
    """Ask for NAME and tell, from the trust anchor down, what is signed by which key, and what the answer is worth."""
    tell(tool.call("dnssec_explain", name=name, rdtype=rdtype.upper(), tenant=tenant, cd=cd), show_proof)


def show_proof(value: dict[str, Any]) -> None:
    """Print the steps, the records if they are there, and last the verdict."""
    value = dict(value)
    steps, records = value.pop("steps"), value.pop("records", None)
    if steps:
        table(steps)
    for record in records or ():
        show(record)
    fields(value)
