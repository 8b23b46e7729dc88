"""``graydnsctl service``: one service, what it answers, and changing that live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from graydns.ctl.cli_context import CliContext, JsonGroup, print_result
from graydns.ctl.output import print_value, table_printer
from graydns.ctl.parameter_types import (
    DurationParameter,
    NameParameter,
    ShareParameter,
    VersionParameter,
    to_unique_dict,
)

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@click.group(cls=JsonGroup)
def service() -> None:
    """Look at services and change them live.

    A live change counts before the file, outlasts a restart, and is undone by `service revert`.
    """


def service_argument(function: FunctionT) -> FunctionT:
    """With the argument SERVICE."""
    return click.argument("service", type=NameParameter("service"))(function)


def duration_option(function: FunctionT) -> FunctionT:
    """With the option --for."""
    text = "How long it counts, such as 2h; without it until `service revert`."
    return click.option("--for", "seconds", type=DurationParameter(), help=text)(function)


def local_option(function: FunctionT) -> FunctionT:
    """With the option --local."""
    text = "On this node only, where policies come from Consul."
    return click.option("--local", is_flag=True, help=text)(function)


def signing_options(function: FunctionT) -> FunctionT:
    """With the options --key and --id."""
    text = "Sign the change with this file, for all nodes, where policies in Consul have to be signed."
    identified = click.option("--id", "key_id", default="k1", show_default=True, metavar="ID", help="Name of the key.")
    return click.option("--key", "key_file", type=click.Path(path_type=Path), help=text)(identified(function))


@service.command("list")
@click.option("--tenant", type=NameParameter("tenant"), help="Only this tenant's.")
@click.pass_obj
def service_list(tool: CliContext, tenant: str | None) -> None:
    """List the services."""
    print_result(tool.call("services", tenant=tenant), table_printer("name", "tenant", "zone"))


@service.command("show")
@service_argument
@click.pass_obj
def service_show(tool: CliContext, service: str) -> None:
    """Show what the file says, what is so now, and what was served."""
    print_result(tool.call("service_show", name=service), print_value)


@service.command("percent")
@service_argument
@click.argument("shares", metavar="VERSION=PERCENT...", type=ShareParameter(), nargs=-1, required=True)
@duration_option
@local_option
@signing_options
@click.pass_obj
def service_percent(tool: CliContext, /, service: str, shares: tuple[tuple[str, str], ...], **how: Any) -> None:
    """Give each VERSION its share of the clients, in steps of 0.0001 %."""
    percent = to_unique_dict(shares)
    change_service(tool, "service_percent", service, {"percent": percent}, {"percent": percent}, **how)


@service.command("weights")
@service_argument
@click.argument("shares", metavar="VERSION=WEIGHT...", type=ShareParameter(), nargs=-1, required=True)
@duration_option
@local_option
@signing_options
@click.pass_obj
def service_weights(tool: CliContext, /, service: str, shares: tuple[tuple[str, str], ...], **how: Any) -> None:
    """Share the clients in proportion to whole numbers."""
    weights = to_unique_dict(tuple((version, parse_integer(weight)) for version, weight in shares))
    change_service(tool, "service_weights", service, {"weights": weights}, {"weights": weights}, **how)


@service.command("whitelist")
@service_argument
@click.argument("version", type=VersionParameter())
@click.option("--add", multiple=True, metavar="ENTRY", help="client:ID, tls:ID, tsig:ID or net:CIDR; may be repeated.")
@click.option("--remove", multiple=True, metavar="ENTRY", help="An entry that is there; may be repeated.")
@duration_option
@local_option
@signing_options
@click.pass_obj
def service_whitelist(
    tool: CliContext, /, service: str, version: str, add: tuple[str, ...], remove: tuple[str, ...], **how: Any
) -> None:
    """Change who always gets VERSION."""
    if not add and not remove:
        raise click.UsageError("nothing to --add or --remove")
    entries = {"add": list(add), "remove": list(remove)}
    drafted = {"whitelist": entries, "version": version}
    change_service(tool, "service_whitelist", service, {"version": version, **entries}, drafted, **how)


@service.command("abort")
@service_argument
@local_option
@click.pass_obj
def service_abort(tool: CliContext, service: str, local: bool) -> None:
    """Send everybody to the default version at once; where policies come from Consul, on all nodes."""
    print_result(tool.call("service_abort", name=service, local=local), print_value)


@service.command("revert")
@service_argument
@local_option
@click.option("--policy", is_flag=True, help="Drop what the policy in Consul says of it, on all nodes, instead.")
@signing_options
@click.pass_obj
def service_revert(
    tool: CliContext, service: str, local: bool, policy: bool, key_file: Path | None, key_id: str
) -> None:
    """Drop every live change, and an abort on all nodes: the file, or the policy, counts again."""
    if key_file is not None and not policy:
        raise click.UsageError("--key is for --policy; nothing else of this needs a signature")
    if policy and local:
        raise click.UsageError("--policy is for all nodes, --local for one")
    if key_file is not None:
        publish_signed(tool, service, {}, key_file, key_id)
        return
    print_result(tool.call("service_revert", name=service, local=local, policy=policy), print_value)


def change_service(
    tool: CliContext,
    command: str,
    service: str,
    arguments: dict[str, Any],
    drafted: dict[str, Any],
    *,
    seconds: float | None,
    local: bool,
    key_file: Path | None,
    key_id: str,
) -> None:
    """Have the server change *service*, or with a key publish a policy of which *drafted* says what is changed."""
    if key_file is None:
        print_result(tool.call(command, name=service, seconds=seconds, local=local, **arguments), print_value)
        return
    if local or seconds is not None:
        raise click.UsageError("--key is for all nodes, --local and --for are for one")
    publish_signed(tool, service, drafted, key_file, key_id)


def publish_signed(tool: CliContext, service: str, drafted: dict[str, Any], key_file: Path, key_id: str) -> None:
    """Sign the next policy, in which *service* is changed as *drafted* says, and publish it."""
    from graydns.ctl.policy_commands import dump_signed, parse_revision, publish_policy

    made = tool.call("policy_draft", name=service, **drafted)
    publish_policy(tool, dump_signed(parse_revision(made["revision"]), key_file, key_id), True, made["base"])


def parse_integer(text: str) -> int:
    """*text* as a whole number. Raises click.UsageError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise click.UsageError(f"{text!r} is not a whole number")
    return int(text)
