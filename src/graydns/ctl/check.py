"""``graydnsctl check``: says whether graydns would start with a file, without starting it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from graydns.ctl.cli_context import JsonCommand, wants_json
from graydns.ctl.output import print_error, print_json, print_line
from graydns.model.errors import ConfigError, ConfigIssue


@click.command(cls=JsonCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def check(context: click.Context, file: Path) -> None:
    """Check FILE, the zones it names and their rules and records.

    Prints every error with its file, line and column. Exit status: 0 nothing wrong, 1 errors.
    """
    # What compiles a configuration is the server itself; commands that do not need it stay light without.
    from graydns.sources.snapshot_loader import check_configuration as check_configuration

    warnings: Sequence[str] = ()
    faults: Sequence[ConfigIssue] = ()
    try:
        warnings = check_configuration(file)
    except ConfigError as error:
        faults = error.issues
    if wants_json():
        print_json(
            {"ok": not faults, "errors": [describe_issue(fault) for fault in faults], "warnings": list(warnings)}
        )
    else:
        print_report(file, faults, warnings)
    context.exit(1 if faults else 0)


def print_report(file: Path, faults: Sequence[ConfigIssue], warnings: Sequence[str]) -> None:
    """Print the outcome for people, errors and warnings one per line."""
    for fault in faults:
        print_error(str(fault))
    for warning in warnings:
        print_error(f"warning: {warning}")
    if not faults:
        print_line(f"{file}: ok")


def describe_issue(fault: ConfigIssue) -> dict[str, object]:
    """*fault* for programs; line and column count from 1, 0 = the file as a whole."""
    return {
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "path": list(fault.path),
        "found": fault.found,
        "expected": fault.expected,
    }
