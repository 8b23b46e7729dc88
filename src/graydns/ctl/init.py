"""``graydnsctl init``: writes a configuration to start from."""

from __future__ import annotations

import os
from pathlib import Path

import click

from graydns.ctl.output import complain, say
from graydns.ctl.starter import FILES


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.pass_context
def init(context: click.Context, folder: Path) -> None:
    """Write a starter configuration into DIR, which is made if need be.

    Nothing is overwritten: if one of the files is there already, none is written.
    """
    present = [str(folder / name) for name in FILES if os.path.lexists(folder / name)]
    if present:
        complain(f"nothing written, because there is already: {', '.join(present)}")
        context.exit(1)
    try:
        for name, text in FILES.items():
            write(folder / name, text)
    except OSError as error:
        complain(f"cannot write: {error}")
        context.exit(1)
    main = folder / "graydns.yaml"
    say(f"wrote {', '.join(FILES)} below {folder}")
    say(f"next: graydnsctl check {main}; twistd -n graydns --config {main}")


def write(path: Path, text: str) -> None:
    """Make the new file *path*, and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
