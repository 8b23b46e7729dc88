"""Commands about validation: nta, dnssec."""

from __future__ import annotations

from typing import Any

import click

from graydns.ctl.cli_context import CliContext, JsonGroup, print_result
from graydns.ctl.output import print_fields, print_table, print_value, table_printer
from graydns.ctl.parameter_types import DurationParameter, NameParameter


@click.group(cls=JsonGroup)
def nta() -> None:
    """Let names whose signatures are broken count as unsigned for a while (RFC 7646)."""


@nta.command("list")
@click.pass_obj
def nta_list(tool: CliContext) -> None:
    """List the negative trust anchors, those of the configuration included."""
    print_result(tool.call("nta_list"), table_printer("name", "source", "until"))


@nta.command("add")
@click.argument("name")
@click.option(
    "--for", "seconds", type=DurationParameter(), default="1d", show_default=True, help="How long; 30d at most."
)
@click.option("--reason", default="", help="Why, for those who look at the list later.")
@click.pass_obj
def nta_add(tool: CliContext, name: str, seconds: float, reason: str) -> None:
    """Let NAME and all below it count as unsigned, from now on and over restarts.

    Look first whether the zone is broken, and not attacked: its operators know.
    """
    print_result(tool.call("nta_add", name=name, seconds=seconds, reason=reason), print_value)


@nta.command("remove")
@click.argument("name")
@click.pass_obj
def nta_remove(tool: CliContext, name: str) -> None:
    """Let signatures count again at NAME and below."""
    print_result(tool.call("nta_remove", name=name), print_value)


@click.group(cls=JsonGroup)
def dnssec() -> None:
    """Look at how answers are validated."""


@dnssec.command("explain")
@click.argument("name")
@click.argument("rdtype", metavar="[TYPE]", default="A")
@click.option("--tenant", type=NameParameter("tenant"), help="As for this tenant's clients.")
@click.option("--cd", is_flag=True, help="Also show the records, as clients with the CD bit get them.")
@click.pass_obj
def dnssec_explain(tool: CliContext, name: str, rdtype: str, tenant: str | None, cd: bool) -> None:
    """Ask for NAME and tell, from the trust anchor down, what is signed by which key, and what the answer is worth."""
    print_result(tool.call("dnssec_explain", name=name, rdtype=rdtype.upper(), tenant=tenant, cd=cd), print_validation)


def print_validation(value: dict[str, Any]) -> None:
    """Print the steps, the records if they are there, and last the verdict."""
    value = dict(value)
    steps, records = value.pop("steps"), value.pop("records", None)
    if steps:
        print_table(steps)
    for record in records or ():
        print_value(record)
    print_fields(value)
