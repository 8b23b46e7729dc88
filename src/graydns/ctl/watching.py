"""``watch``: a command again and again."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

import click

from graydns.ctl.tool import Tool

if TYPE_CHECKING:
    from prompt_toolkit.input import Input

#: Seconds between two runs.
EVERY = 2.0


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--every", type=click.FloatRange(0.05, 3600.0), default=EVERY, show_default=True, help="Seconds.")
@click.argument("words", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def watch(tool: Tool, every: float, words: tuple[str, ...]) -> None:
    """Repeat COMMAND until a key is pressed; where there is no keyboard, until interrupted."""
    from prompt_toolkit.application.current import get_app_session

    from graydns.ctl.line import run_line

    if words[0] == "watch":
        raise click.UsageError("watch does not watch itself")
    keys = get_app_session().input if has_keyboard() else None
    while True:
        if sys.stdout.isatty():
            click.clear()
        run_line(list(words), tool)
        sys.stdout.flush()
        if pressed(keys, every):
            return


def has_keyboard() -> bool:
    """Whether keys can be waited for."""
    from prompt_toolkit.application.current import get_app_session

    try:
        get_app_session().input.fileno()
    except Exception:
        return False
    return True


def pressed(keys: Input | None, seconds: float) -> bool:
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
