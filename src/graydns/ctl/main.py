"""graydnsctl: its commands, on the command line and line by line in the shell.

Exit status: 0 done, 1 refused or failed, 2 wrong usage.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from graydns.ctl.cli_context import CliContext, json_option, run_line, wants_json
from graydns.ctl.combined_commands import audit, config, reload, service, trace
from graydns.ctl.config_commands import check, init
from graydns.ctl.operation_commands import make_commands
from graydns.ctl.passwd import passwd
from graydns.ctl.policy_commands import policy
from graydns.operations import OPERATIONS

if TYPE_CHECKING:
    from prompt_toolkit.input import Input


#: Seconds between two runs of a watched command.
DEFAULT_WATCH_INTERVAL_SECONDS = 2.0


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--every",
    type=click.FloatRange(0.05, 3600.0),
    default=DEFAULT_WATCH_INTERVAL_SECONDS,
    show_default=True,
    help="Seconds between two runs.",
)
@click.argument("words", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def watch(context: CliContext, every: float, words: tuple[str, ...]) -> None:
    """Repeat COMMAND until a key is pressed or, without a keyboard, until interrupted."""
    from prompt_toolkit.application.current import get_app_session

    if words[0] == "watch":
        raise click.UsageError("watch does not watch itself")
    keys = get_app_session().input if has_keyboard() else None
    while True:
        if sys.stdout.isatty():
            click.clear()
        run_line(shell_group, list(words), context)
        sys.stdout.flush()
        if wait_for_key(keys, every):
            return


def has_keyboard() -> bool:
    """Whether standard input is a keyboard."""
    from prompt_toolkit.application.current import get_app_session

    try:
        get_app_session().input.fileno()
    except Exception:
        return False
    return True


def wait_for_key(keys: Input | None, seconds: float) -> bool:
    """Whether a key is pressed within *seconds*, or was before. Keys after it are left for the prompt."""
    if keys is None:
        select.select([], [], [], seconds)
        return False

    from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead

    if not (typed := get_typeahead(keys)):
        with keys.raw_mode():
            if select.select([keys.fileno()], [], [], seconds)[0]:
                typed = keys.read_keys()
    store_typeahead(keys, typed[1:])
    return bool(typed) or keys.closed


#: All commands by their first word; those that are not named here are made from the table of operations.
COMMANDS: Mapping[str, click.Command] = make_commands(
    OPERATIONS.values(), (audit, check, config, init, passwd, policy, reload, service, trace, watch)
)

#: The commands as lines of the shell or of ``watch``.
shell_group = click.Group(
    "graydnsctl",
    commands=dict(COMMANDS),
    params=[json_option()],
    context_settings={"help_option_names": ["-h", "--help"]},
)


@click.group(
    params=[json_option()],
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "GRAYDNSCTL"},
)
@click.option("--connect", metavar="ENDPOINT", help="unix:PATH or tls://HOST:PORT; else what ./graydns.yaml says.")
@click.option("--user", metavar="NAME", help="User, over TLS. The password is GRAYDNSCTL_PASSWORD, or it is asked for.")
@click.option("--ca", metavar="FILE", help="CA certificates (PEM) for the server; else those of the system.")
@click.option("--certificate", metavar="FILE", help="Client certificate (PEM), if the server asks for one.")
@click.option("--key", metavar="FILE", help="Its private key (PEM).")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Operate graydns. Without a command: a shell."""
    context.obj = cli_context = CliContext(**options)
    context.call_on_close(cli_context.close)
    if context.invoked_subcommand is None:
        # prompt_toolkit takes long to load, and a single command does not need it.
        from graydns.ctl.shell import run_shell

        context.exit(run_shell(cli_context, shell_group, wants_json()))


for _command in COMMANDS.values():
    main.add_command(_command)
