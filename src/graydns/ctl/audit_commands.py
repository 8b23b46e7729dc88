"""``graydnsctl audit``: who changed what, and whether the audit log is as it was written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from graydns.ctl.cli_context import CliContext, CommandError, JsonCommand, JsonGroup, print_result, wants_json
from graydns.ctl.output import print_value, table_printer
from graydns.ctl.parameter_types import NameParameter

ReadT = TypeVar("ReadT")

_FILE_TYPE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.group(cls=JsonGroup)
def audit() -> None:
    """Look at who changed what."""


@audit.command("tail")
@click.option("--last", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many lines.")
@click.option("--tenant", type=NameParameter("tenant"), help="Only what concerns this tenant.")
@click.pass_obj
def audit_tail(tool: CliContext, last: int, tenant: str | None) -> None:
    """Show the last changes."""
    print_result(
        tool.call("audit_tail", last=last, tenant=tenant), table_printer("at", "actor", "origin", "action", "target")
    )


@audit.command("verify", cls=JsonCommand)
@click.option("--file", type=_FILE_TYPE, help="Look at this log and those put aside from it, without a server.")
@click.option("--key", type=_FILE_TYPE, help="The key of its chain, data/audit.key.")
@click.option(
    "--head", type=_FILE_TYPE, multiple=True, help="A published head, - = standard input; FILE.head counts, too."
)
@click.pass_obj
def audit_verify(tool: CliContext, file: Path | None, key: Path | None, head: tuple[Path, ...]) -> None:
    """Check that nobody changed the audit log. Exit status 1 if somebody did."""
    if file is None:
        if key is not None or head:
            raise click.UsageError("--key and --head belong to --file")
        found = tool.call("audit_verify")
    elif key is None:
        raise click.UsageError("--file needs --key")
    else:
        found = verify_offline(file, key, head)
    if not found.get("ok") and not wants_json():
        why = found.get("why") or f"line {found.get('first_bad')} does not fit"
        raise CommandError(f"the audit log was changed: {why}", False)
    print_result(found, print_value)
    if not found.get("ok"):
        click.get_current_context().exit(1)


def verify_offline(file: Path, key: Path, heads: tuple[Path, ...]) -> dict[str, Any]:
    """What the server would say of the log *file*. Raises CommandError."""
    from graydns.audit.hmac_chain import HmacChain, find_head, parse_head, read_audit_key
    from graydns.audit.verification import explain_missing_head, verify_log_files

    secret = _read_or_fail(key, read_audit_key)
    seal = HmacChain(secret)
    published = [_read_or_fail(place, lambda place: parse_head(_read_content(place), seal)) for place in heads]
    beside, trouble = _read_or_fail(file, lambda file: find_head(file, seal))
    if beside is not None:
        published.append(beside)
    if not published:
        trouble = trouble or _read_or_fail(file, lambda file: explain_missing_head(file, seal))
    return _read_or_fail(file, lambda file: verify_log_files(file, secret, published, trouble)).to_plain()


def _read_content(path: Path) -> bytes:
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def _read_or_fail(path: Path, read: Callable[[Path], ReadT]) -> ReadT:
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {getattr(error, 'strerror', None) or error}", wants_json()) from None
