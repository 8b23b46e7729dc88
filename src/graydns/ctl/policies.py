"""The commands of ``graydnsctl policy`` that ask the server: push, list, show, diff, activate, rollback, high-water."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from graydns.ctl.output import say
from graydns.ctl.policy import check_id, identified, load, policy, warn
from graydns.ctl.tables import show, shower
from graydns.ctl.tool import Failure, Group, Tool, tell, wants_json

__all__ = ["policy"]

Function = TypeVar("Function", bound=Callable[..., Any])

REVISION = click.IntRange(1)

#: Octets of a policy that can be pushed. Of a text at most, and how many texts go with one call: the admin interface
#: takes 32 KiB at once.
MOST = 512 << 10
PART = 4096
PARTS = 7


def signing(function: Function) -> Function:
    """With the option --key."""
    text = "Sign it with this file, which keygen made."
    return click.option("--key", "key_file", type=click.Path(path_type=Path), help=text)(function)


@policy.command("push")
@click.argument("file", type=click.Path(path_type=Path))
@signing
@identified
@click.option("--activate/--no-activate", default=True, show_default=True, help="Let it count at once.")
@click.pass_obj
def push(tool: Tool, file: Path, key_file: Path | None, key_id: str, activate: bool) -> None:
    """Publish the policy in FILE in one transaction: as `policy sign` wrote it, or to be signed with --key."""
    strategy = load(file)
    warn(strategy)
    text = as_it_is(file) if strategy.signature is not None and key_file is None else None
    publish(tool, text or written(strategy, key_file, key_id), activate)


@policy.command("list")
@click.pass_obj
def list_(tool: Tool) -> None:
    """List the revisions that KV has, and whether they could be taken."""
    rows = tool.call("policy_list")
    tell(rows, shower("revision", "active", "running") if rows else lambda _: say("there is no revision"))


@policy.command("show")
@click.argument("revision", type=REVISION, required=False)
@click.pass_obj
def show_(tool: Tool, revision: int | None) -> None:
    """Show a revision, or the active one, in JSON that can be pushed."""
    tell(tool.call("policy_show", revision=revision), lambda made: say_all(lines_of(made)))


@policy.command("diff")
@click.argument("before", type=REVISION)
@click.argument("after", type=REVISION)
@click.pass_obj
def diff(tool: Tool, before: int, after: int) -> None:
    """Show what revision AFTER says otherwise than BEFORE."""
    import difflib

    old, new = (lines_of(tool.call("policy_show", revision=each)) for each in (before, after))
    lines = list(difflib.unified_diff(old, new, f"revision {before}", f"revision {after}", lineterm=""))
    tell(lines, say_all)


@policy.command("activate")
@click.argument("revision", type=REVISION)
@click.pass_obj
def activate(tool: Tool, revision: int) -> None:
    """Let a revision count that was pushed with --no-activate."""
    tell(tool.call("policy_activate", revision=revision), show)


@policy.command("rollback")
@click.argument("revision", type=REVISION)
@signing
@identified
@click.pass_obj
def rollback(tool: Tool, revision: int, key_file: Path | None, key_id: str) -> None:
    """Publish what REVISION says again, as a new and higher revision, valid from now on without an end."""
    from attrs import evolve

    made = strategy_of(tool.call("policy_show", revision=revision))
    marked = (tool.call("status").get("policy") or {}).get("high_water") or 0
    highest = max(marked, *(row["revision"] for row in tool.call("policy_list")))
    meta = evolve(
        made.meta, revision=highest + 1, not_before=None, not_after=None, description=f"revision {revision} again"
    )
    strategy = evolve(made, meta=meta, signature=None)
    publish(tool, written(strategy, key_file, key_id), True)


@policy.group("high-water", cls=Group)
def high_water() -> None:
    """The highest revision that the server ever accepted."""


@high_water.command("reset")
@click.argument("revision", type=click.IntRange(0))
@click.pass_obj
def reset(tool: Tool, revision: int) -> None:
    """Let REVISION be the highest that was accepted: it, whatever it holds, and those above may be taken."""
    tell(tool.call("policy_reset", revision=revision), show)


def publish(tool: Tool, text: str, activate: bool, base: int | None = None) -> None:
    """Have the server publish *text*; with *base* only while that revision is active."""
    if len(text) > MOST:
        raise Failure(f"the policy has {len(text)} octets as JSON; graydnsctl can push {MOST}", wants_json())
    parts = [text[at : at + PART] for at in range(0, len(text), PART)]
    first = True
    while len(parts) > PARTS:
        tool.call("policy_part", parts=parts[:PARTS], first=first)
        parts, first = parts[PARTS:], False
    tell(tool.call("policy_push", parts=parts, activate=activate, base=base, more=not first), show)


def strategy_of(body: Any) -> Any:
    """The Strategy that *body*, the JSON of a revision, is. Raises Failure."""
    from graydns.config.canonical import as_texts
    from graydns.config.schema import structured
    from graydns.config.strategy import Strategy

    made, misfits = structured(as_texts(body), Strategy)
    if made is None:
        raise Failure("\n".join(f"{misfit.found}, expected {misfit.expected}" for misfit in misfits), wants_json())
    return made


def written(strategy: Any, key_file: Path | None, key_id: str) -> str:
    """*strategy* as JSON: signed with the key in *key_file*, else with the signature that it has, if any."""
    import base64

    from graydns.config.strategy import dump
    from graydns.sources.policy.keys import read_signer
    from graydns.sources.policy.signing import SIGNATURE, sign

    body = dump(strategy)
    if key_file is not None:
        check_id(key_id)
        try:
            body = sign(strategy, read_signer(key_file), key_id)
        except ValueError as error:
            raise Failure(str(error), wants_json()) from None
    elif (found := strategy.signature) is not None:
        octets = base64.b64encode(found.signature).decode()
        body[SIGNATURE] = {"algorithm": found.algorithm, "key": found.key, "signature": octets}
    return json.dumps(body, separators=(",", ":"))


def as_it_is(file: Path) -> str | None:
    """The JSON in *file*, unaltered, since a signature covers it; None if it is YAML."""
    try:
        return json.dumps(json.loads(file.read_bytes()), separators=(",", ":"))
    except (OSError, ValueError):
        return None


def lines_of(made: dict[str, Any]) -> list[str]:
    """A revision as it is shown."""
    return json.dumps(made, indent=1, sort_keys=True).split("\n")


def say_all(lines: list[str]) -> None:
    """Print them."""
    for line in lines:
        say(line)
