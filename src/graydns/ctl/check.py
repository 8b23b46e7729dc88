"""``graydnsctl check``: says whether graydns would start with a file, without starting it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from graydns.ctl.output import complain, emit, say
from graydns.ctl.tool import Command, wants_json
from graydns.model.errors import ConfigError, Fault


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def check(context: click.Context, file: Path) -> None:
    """Check FILE, the zones it names and their rules and records.

    Prints every error with its file, line and column. Exit status: 0 nothing wrong, 1 errors.
    """
    # What compiles a configuration is the server itself; commands that do not need it stay light without.
    from graydns.sources.files import check as check_configuration

    warnings: Sequence[str] = ()
    faults: Sequence[Fault] = ()
    try:
        warnings = check_configuration(file)
    except ConfigError as error:
        faults = error.faults
    if wants_json():
        emit({"ok": not faults, "errors": [described(fault) for fault in faults], "warnings": list(warnings)})
    else:
        report(file, faults, warnings)
    context.exit(1 if faults else 0)


def report(file: Path, faults: Sequence[Fault], warnings: Sequence[str]) -> None:
    """Print the outcome for people, errors and warnings one per line."""
    for fault in faults:
        complain(str(fault))
    for warning in warnings:
        complain(f"warning: {warning}")
    if not faults:
        say(f"{file}: ok")


def described(fault: Fault) -> dict[str, object]:
    """*fault* for programs; line and column count from 1, 0 = the file as a whole."""
    return {
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "path": list(fault.path),
        "found": fault.found,
        "expected": fault.expected,
    }
