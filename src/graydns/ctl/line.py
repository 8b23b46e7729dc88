"""Line: one command in the shell, or from a file of them."""

from __future__ import annotations

import click

from graydns.ctl.commands import ALL, add_all
from graydns.ctl.tool import Tool, json_option

line = click.Group("graydnsctl", params=[json_option()], context_settings={"help_option_names": ["-h", "--help"]})
add_all(line, ALL)


def run_line(words: list[str], tool: Tool) -> int:
    """Run the command of *words*; its exit status. What goes wrong is printed."""
    try:
        done = line.main(words, prog_name="", standalone_mode=False, obj=tool)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 1
    return done if isinstance(done, int) else 0
