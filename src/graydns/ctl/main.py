"""graydnsctl: the command line of an operator. Exit status 0 done, 1 refused or wrong, 2 wrong usage."""

from __future__ import annotations

import click

from graydns.ctl.check import check
from graydns.ctl.init import init


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.pass_context
def main(context: click.Context, as_json: bool) -> None:
    """Operate graydns: write a first configuration, check one."""
    context.obj = as_json


main.add_command(check)
main.add_command(init)
