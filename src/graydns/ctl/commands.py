"""``watch``: a command again and again.

Every command of graydnsctl, for the command line and for the shell.

Line: one command in the shell, or from a file of them.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from graydns.ctl.check import check
from graydns.ctl.cli_context import CliContext, json_option
from graydns.ctl.operation_commands import make_commands
from graydns.ctl.passwd import passwd
from graydns.ctl.policy_commands import policy
from graydns.ctl.server_commands import audit, config, reload, trace
from graydns.ctl.service_commands import service
from graydns.ctl.starter_config import init
from graydns.operations import OPERATIONS

if TYPE_CHECKING:
    from prompt_toolkit.input import Input


#: Seconds between two runs.
DEFAULT_WATCH_INTERVAL_SECONDS = 2.0


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--every",
    type=click.FloatRange(0.05, 3600.0),
    default=DEFAULT_WATCH_INTERVAL_SECONDS,
    show_default=True,
    help="Seconds.",
)
@click.argument("words", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def watch(tool: CliContext, every: float, words: tuple[str, ...]) -> None:
    """Repeat COMMAND until a key is pressed; where there is no keyboard, until interrupted."""
    from prompt_toolkit.application.current import get_app_session

    if words[0] == "watch":
        raise click.UsageError("watch does not watch itself")
    keys = get_app_session().input if has_keyboard() else None
    while True:
        if sys.stdout.isatty():
            click.clear()
        run_line(list(words), tool)
        sys.stdout.flush()
        if wait_for_key(keys, every):
            return


def has_keyboard() -> bool:
    """Whether keys can be waited for."""
    from prompt_toolkit.application.current import get_app_session

    try:
        get_app_session().input.fileno()
    except Exception:
        return False
    return True


def wait_for_key(keys: Input | None, seconds: float) -> bool:
    """Whether a key is pressed within *seconds*, or was before; what was typed after it is left for the prompt."""
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

shell_group = click.Group(
    "graydnsctl",
    commands=dict(COMMANDS),
    params=[json_option()],
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run_line(words: list[str], tool: CliContext) -> int:
    """Run the command of *words*; its exit status. What goes wrong is printed."""
    try:
        done = shell_group.main(words, prog_name="", standalone_mode=False, obj=tool)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 1
    return done if isinstance(done, int) else 0
