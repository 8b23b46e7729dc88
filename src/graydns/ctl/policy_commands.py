"""The commands of ``graydnsctl policy`` that publish or compare revisions: push, diff, rollback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from graydns.ctl.cli_context import CliContext, CommandError, print_result, wants_json
from graydns.ctl.output import format_revision, print_lines, print_value
from graydns.ctl.policy_files import check_key_id, key_id_option, load_policy, policy, print_warnings
from graydns.operations.operation import MAX_REQUEST_BYTES, MAX_TEXT_CHARACTERS, MAX_UPLOAD_CHARACTERS

__all__ = ["policy"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

REVISION = click.IntRange(1)

#: Parts of a policy in one request, which has other bytes too.
MAX_PARTS_PER_CALL = MAX_REQUEST_BYTES // MAX_TEXT_CHARACTERS - 1


def key_option(function: FunctionT) -> FunctionT:
    """Add the option --key to a command."""
    text = "Sign it with this file, which keygen made."
    return click.option("--key", "key_file", type=click.Path(path_type=Path), help=text)(function)


@policy.command("push")
@click.argument("file", type=click.Path(path_type=Path))
@key_option
@key_id_option
@click.option("--activate/--no-activate", default=True, show_default=True, help="Activate it at once.")
@click.pass_obj
def push(context: CliContext, file: Path, key_file: Path | None, key_id: str, activate: bool) -> None:
    """Publish the policy in FILE in one transaction: as written by `policy sign`, or signed here with --key."""
    strategy = load_policy(file)
    print_warnings(strategy)
    text = read_signed_json(file) if strategy.signature is not None and key_file is None else None
    publish_policy(context, text or dump_signed(strategy, key_file, key_id), activate)


@policy.command("diff")
@click.argument("before", type=REVISION)
@click.argument("after", type=REVISION)
@click.pass_obj
def diff(context: CliContext, before: int, after: int) -> None:
    """Show the differences between the revisions BEFORE and AFTER."""
    import difflib

    old, new = (format_revision(context.call("policy_show", revision=each)) for each in (before, after))
    lines = list(difflib.unified_diff(old, new, f"revision {before}", f"revision {after}", lineterm=""))
    print_result(lines, print_lines)


@policy.command("rollback")
@click.argument("revision", type=REVISION)
@key_option
@key_id_option
@click.pass_obj
def rollback(context: CliContext, revision: int, key_file: Path | None, key_id: str) -> None:
    """Publish the content of REVISION again, as a new and higher revision that is valid from now on."""
    from attrs import evolve

    made = parse_revision(context.call("policy_show", revision=revision))
    marked = (context.call("status").get("policy") or {}).get("high_water") or 0
    highest = max(marked, *(row["revision"] for row in context.call("policy_list")))
    meta = evolve(
        made.meta, revision=highest + 1, not_before=None, not_after=None, description=f"revision {revision} again"
    )
    strategy = evolve(made, meta=meta, signature=None)
    publish_policy(context, dump_signed(strategy, key_file, key_id), True)


def publish_policy(context: CliContext, text: str, activate: bool, base: int | None = None) -> None:
    """Have the server publish *text*, and *activate* it; with *base* only while that revision is active."""
    if len(text) > MAX_UPLOAD_CHARACTERS:
        raise CommandError(
            f"the policy has {len(text)} characters as JSON; graydnsctl can push {MAX_UPLOAD_CHARACTERS}", wants_json()
        )
    parts = [text[at : at + MAX_TEXT_CHARACTERS] for at in range(0, len(text), MAX_TEXT_CHARACTERS)]
    first = True
    while len(parts) > MAX_PARTS_PER_CALL:
        context.call("policy_part", parts=parts[:MAX_PARTS_PER_CALL], first=first)
        parts, first = parts[MAX_PARTS_PER_CALL:], False
    print_result(context.call("policy_push", parts=parts, activate=activate, base=base, more=not first), print_value)


def parse_revision(body: Any) -> Any:
    """The JSON of a revision as a ReleasePolicy. Raises CommandError."""
    from graydns.config.canonical_json import to_yaml_node
    from graydns.config.release_policy import ReleasePolicy
    from graydns.config.schema import structure_as

    policy, issues = structure_as(to_yaml_node(body), ReleasePolicy)
    if policy is None:
        raise CommandError("\n".join(f"{issue.found}, expected {issue.expected}" for issue in issues), wants_json())
    return policy


def dump_signed(strategy: Any, key_file: Path | None, key_id: str) -> str:
    """*strategy* as JSON, signed with the key in *key_file*, else with its own signature. Raises CommandError."""
    import base64

    from graydns.config.release_policy import dump_release_policy
    from graydns.control.policy.signatures import SIGNATURE_KEY, read_signer, sign_policy

    body = dump_release_policy(strategy)
    if key_file is not None:
        check_key_id(key_id)
        try:
            body = sign_policy(strategy, read_signer(key_file), key_id)
        except ValueError as error:
            raise CommandError(str(error), wants_json()) from None
    elif (found := strategy.signature) is not None:
        octets = base64.b64encode(found.signature).decode()
        body[SIGNATURE_KEY] = {"algorithm": found.algorithm, "key": found.key, "signature": octets}
    return json.dumps(body, separators=(",", ":"))


def read_signed_json(file: Path) -> str | None:
    """The JSON in *file*, with the same content, since a signature covers that; None if it is YAML."""
    try:
        return json.dumps(json.loads(file.read_bytes()), separators=(",", ":"))
    except (OSError, ValueError):
        return None
