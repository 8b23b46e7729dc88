"""The commands of ``graydnsctl service`` that change a service, on this node or by a policy signed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from graydns.ctl.cli_context import CliContext, JsonGroup
from graydns.ctl.operation_commands import call_operation, make_command
from graydns.operations import OPERATIONS
from graydns.operations.operation import Operation


@click.group(cls=JsonGroup)
def service() -> None:
    """Look at services and change them live.

    A live change counts before the file, outlasts a restart, and is undone by `service revert`.
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
