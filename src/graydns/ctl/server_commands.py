"""Commands on the whole server that are more than one operation: config show, reload, trace, audit verify."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from graydns.ctl.cli_context import CliContext, CommandError, JsonCommand, JsonGroup, print_result, wants_json
from graydns.ctl.operation_commands import call_operation, make_help
from graydns.ctl.output import print_value
from graydns.ctl.parameter_types import NameParameter
from graydns.operations import GROUPS, OPERATIONS

ReadT = TypeVar("ReadT")

_FILE_TYPE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.group(cls=JsonGroup, help=GROUPS["config"])
def config() -> None:
    """Group the commands on the configuration."""


@config.command("show", help=make_help(OPERATIONS["config"]))
@click.option("--effective", is_flag=True, help="With defaults (there is no other way to show it).")
@click.pass_obj
def config_show(context: CliContext, effective: bool) -> None:
    """Show the configuration; *effective* changes nothing."""
    call_operation(context, OPERATIONS["config"], {})


@click.command(cls=JsonCommand, help=make_help(OPERATIONS["reload"]))
@click.option("--force", is_flag=True, help=OPERATIONS["reload_force"].summary)
@click.option("--prune", metavar="ZONE", type=NameParameter("zone"), help=OPERATIONS["reload_prune"].summary)
@click.pass_obj
def reload(context: CliContext, force: bool, prune: str | None) -> None:
    """Call one of the three operations that load the files."""
    if force and prune:
        raise click.UsageError("--force and --prune do not go together")
    name = "reload_prune" if prune else "reload_force" if force else "reload"
    call_operation(context, OPERATIONS[name], {"zone": prune} if prune else {})


@click.command(cls=JsonCommand, help=make_help(OPERATIONS["trace"]))
@click.argument("name")
@click.option("--watch/--no-watch", default=None, help=OPERATIONS["trace_watch"].summary)
@click.option("--last", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many queries.")
@click.pass_obj
def trace(context: CliContext, name: str, watch: bool | None, last: int) -> None:
    """Show traces, or start or stop them."""
    if watch is not None:
        call_operation(context, OPERATIONS["trace_watch"], {"name": name, "on": watch})
    else:
        call_operation(context, OPERATIONS["trace"], {"name": name, "last": last})


@click.group(cls=JsonGroup, help=GROUPS["audit"])
def audit() -> None:
    """Group the commands on the audit log."""


@audit.command("verify", help=make_help(OPERATIONS["audit_verify"]))
@click.option("--file", type=_FILE_TYPE, help="Look at this log and those put aside from it, without a server.")
@click.option("--key", type=_FILE_TYPE, help="The key of its chain, data/audit.key.")
@click.option(
    "--head", type=_FILE_TYPE, multiple=True, help="A published head, - = standard input; FILE.head counts, too."
)
@click.pass_obj
def audit_verify(context: CliContext, file: Path | None, key: Path | None, head: tuple[Path, ...]) -> None:
    """Check the audit log, in the server or offline."""
    if file is None:
        if key is not None or head:
            raise click.UsageError("--key and --head belong to --file")
        found = context.call("audit_verify")
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
