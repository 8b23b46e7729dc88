"""Commands that are more than one call of an operation: they choose between several, sign a policy, or work offline."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from graydns.ctl.cli_context import CliContext, CommandError, JsonCommand, JsonGroup, print_result, wants_json
from graydns.ctl.operation_commands import call_operation, make_command, make_help
from graydns.ctl.output import print_value
from graydns.ctl.parameter_types import NameParameter
from graydns.operations import GROUPS, OPERATIONS
from graydns.operations.operation import Operation

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
@click.option("--file", type=_FILE_TYPE, help="Check this log and the files rotated out of it, without a server.")
@click.option("--key", type=_FILE_TYPE, help="The HMAC key of the log, data/audit.key.")
@click.option(
    "--head", type=_FILE_TYPE, multiple=True, help="A published head, - = standard input; FILE.head is used too."
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
    """Check the log *file* as the server would. Raises CommandError."""
    from graydns.audit.hmac_chain import HmacChain, find_head, parse_head, read_audit_key
    from graydns.audit.verification import explain_missing_head, verify_log_files

    secret = _read_or_fail(key, read_audit_key)
    chain = HmacChain(secret)
    published = [_read_or_fail(path, lambda path: parse_head(_read_content(path), chain)) for path in heads]
    stored, problem = _read_or_fail(file, lambda file: find_head(file, chain))
    if stored is not None:
        published.append(stored)
    if not published:
        problem = problem or _read_or_fail(file, lambda file: explain_missing_head(file, chain))
    return _read_or_fail(file, lambda file: verify_log_files(file, secret, published, problem)).to_plain()


def _read_content(path: Path) -> bytes:
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def _read_or_fail(path: Path, read: Callable[[Path], ReadT]) -> ReadT:
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {getattr(error, 'strerror', None) or error}", wants_json()) from None


@click.group(cls=JsonGroup)
def service() -> None:
    """Show services and change them live.

    A live change takes precedence over the file, outlasts a restart, and is undone by `service revert`.
    """


def draft_whitelist(values: Mapping[str, Any]) -> dict[str, Any]:
    """The change of a whitelist. Raises click.UsageError if there is none."""
    if not values["add"] and not values["remove"]:
        raise click.UsageError("nothing to --add or --remove")
    return {"whitelist": {"add": values["add"], "remove": values["remove"]}, "version": values["version"]}


#: Operation -> the arguments of ``policy_draft`` that make the same change.
DRAFTS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "service_percent": lambda values: {"percent": values["percent"]},
    "service_weights": lambda values: {"weights": values["weights"]},
    "service_whitelist": draft_whitelist,
}


def change_service(
    operation: Operation, context: CliContext, /, *, key_file: Path | None, key_id: str, **values: Any
) -> None:
    """Call *operation*, or with a key publish a signed policy that makes the same change."""
    drafted = DRAFTS[operation.name](values)
    if key_file is None:
        call_operation(context, operation, values)
        return
    if values["local"] or values["seconds"] is not None:
        raise click.UsageError("--key is for all nodes, --local and --for are for one")
    publish_signed(context, values["name"], drafted, key_file, key_id)


def revert_service(context: CliContext, /, *, key_file: Path | None, key_id: str, **values: Any) -> None:
    """Call ``service_revert``, or with a key publish a signed policy without the service."""
    if key_file is not None and not values["policy"]:
        raise click.UsageError("--key is for --policy; nothing else of this needs a signature")
    if values["policy"] and values["local"]:
        raise click.UsageError("--policy is for all nodes, --local for one")
    if key_file is not None:
        publish_signed(context, values["name"], {}, key_file, key_id)
        return
    call_operation(context, OPERATIONS["service_revert"], values)


def publish_signed(context: CliContext, service: str, drafted: dict[str, Any], key_file: Path, key_id: str) -> None:
    """Sign the next policy, in which *service* is changed as *drafted* says, and publish it."""
    from graydns.ctl.policy_commands import dump_signed, parse_revision, publish_policy

    made = context.call("policy_draft", name=service, **drafted)
    publish_policy(context, dump_signed(parse_revision(made["revision"]), key_file, key_id), True, made["base"])


def make_signing_options() -> list[click.Parameter]:
    """The options --key and --id."""
    text = "Sign the change with this file, for all nodes, where policies in Consul have to be signed."
    return [
        click.Option(["--key", "key_file"], type=click.Path(path_type=Path), help=text),
        click.Option(["--id", "key_id"], default="k1", show_default=True, metavar="ID", help="Name of the key."),
    ]


for _name in DRAFTS:
    _operation = OPERATIONS[_name]
    service.add_command(make_command(_operation, partial(change_service, _operation), make_signing_options()))
service.add_command(make_command(OPERATIONS["service_revert"], revert_service, make_signing_options()))
