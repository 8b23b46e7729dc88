"""``graydnsctl init``: writes a configuration to start from."""

from __future__ import annotations

import os
from pathlib import Path

import click

from graydns.ctl.output import complain, emit, say
from graydns.ctl.starter import FILES
from graydns.ctl.tool import Command, wants_json


@click.command(cls=Command)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.pass_context
def init(context: click.Context, folder: Path) -> None:
    """Write a starter configuration into DIR, which is made if need be.

    Nothing is overwritten: if one of the files is there already, none is written.
    """
    error = write_all(folder)
    if wants_json():
        emit({"ok": error is None, "error": error, "written": [] if error else list(FILES)})
    elif error:
        complain(error)
    else:
        main = folder / "graydns.yaml"
        say(f"wrote {', '.join(FILES)} below {folder}")
        say(f"next: graydnsctl check {main}; twistd -n graydns --config {main}")
    context.exit(1 if error else 0)


def write_all(folder: Path) -> str | None:
    """Write every file of the starter; the reason if that cannot be done."""
    if present := [str(folder / name) for name in FILES if os.path.lexists(folder / name)]:
        return f"nothing written, because there is already: {', '.join(present)}"
    try:
        for name, text in FILES.items():
            write(folder / name, text)
    except OSError as error:
        return f"cannot write: {error}"
    return None


def write(path: Path, text: str) -> None:
    """Make the new file *path*, and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
