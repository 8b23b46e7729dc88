"""graydnsctl: the command line of an operator. Exit status 0 done, 1 refused or wrong, 2 wrong usage."""

from __future__ import annotations

import click

from graydns.ctl.check import check
from graydns.ctl.init import init


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Operate graydns: write a first configuration, check one."""


main.add_command(check)
main.add_command(init)
