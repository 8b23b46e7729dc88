"""graydnsctl: the command line of an operator. Exit status 0 done, 1 refused or wrong, 2 wrong usage."""

from __future__ import annotations

from typing import Any

import click

from graydns.ctl.cli_context import CliContext, json_option, wants_json
from graydns.ctl.commands import COMMANDS


@click.group(
    params=[json_option()],
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "GRAYDNSCTL"},
)
@click.option("--connect", metavar="ENDPOINT", help="unix:PATH or tls://HOST:PORT; else what ./graydns.yaml says.")
@click.option("--user", metavar="NAME", help="Who you are, over TLS; GRAYDNSCTL_PASSWORD or a prompt proves it.")
@click.option("--ca", metavar="FILE", help="Certificates (PEM) that may vouch for the server; else the system's.")
@click.option("--certificate", metavar="FILE", help="Your certificate (PEM), if the server asks for one.")
@click.option("--key", metavar="FILE", help="Its private key (PEM).")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Operate graydns. Without a command: a shell."""
    context.obj = tool = CliContext(**options)
    context.call_on_close(tool.close)
    if context.invoked_subcommand is None:
        # prompt_toolkit takes a while to load; a single command does without.
        from graydns.ctl.shell import run_shell

        context.exit(run_shell(tool, wants_json()))


for _command in COMMANDS.values():
    main.add_command(_command)
