"""``graydnsctl audit``: who changed what, and whether the audit log is as it was written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from graydns.ctl.kinds import Known
from graydns.ctl.tables import show, shower
from graydns.ctl.tool import Command, Failure, Group, Tool, tell, wants_json

Read = TypeVar("Read")

_PATH = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.group(cls=Group)
def audit() -> None:
    """Look at who changed what."""


@audit.command("tail")
@click.option("--last", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many lines.")
@click.option("--tenant", type=Known("tenant"), help="Only what concerns this tenant.")
@click.pass_obj
def audit_tail(tool: Tool, last: int, tenant: str | None) -> None:
    """Show the last changes."""
    tell(tool.call("audit_tail", last=last, tenant=tenant), shower("at", "actor", "origin", "action", "target"))


@audit.command("verify", cls=Command)
@click.option("--file", type=_PATH, help="Look at this log and those put aside from it, without a server.")
@click.option("--key", type=_PATH, help="The key of its chain, data/audit.key.")
@click.option("--head", type=_PATH, multiple=True, help="A published head, - = standard input; FILE.head counts, too.")
@click.pass_obj
def audit_verify(tool: Tool, file: Path | None, key: Path | None, head: tuple[Path, ...]) -> None:
    """Check that nobody changed the audit log. Exit status 1 if somebody did."""
    if file is None:
        if key is not None or head:
            raise click.UsageError("--key and --head belong to --file")
        found = tool.call("audit_verify")
    elif key is None:
        raise click.UsageError("--file needs --key")
    else:
        found = offline(file, key, head)
    if not found.get("ok") and not wants_json():
        why = found.get("why") or f"line {found.get('first_bad')} does not fit"
        raise Failure(f"the audit log was changed: {why}", False)
    tell(found, show)
    if not found.get("ok"):
        click.get_current_context().exit(1)


def offline(file: Path, key: Path, heads: tuple[Path, ...]) -> dict[str, Any]:
    """What the server would say of the log *file*. Raises Failure."""
    from graydns.observe.audit.heads import head_beside, read_head
    from graydns.observe.audit.seal import Seal, read_key
    from graydns.observe.audit.verify import trouble_without_head, verify_files

    secret = _read(key, read_key)
    seal = Seal(secret)
    published = [_read(place, lambda place: read_head(_content(place), seal)) for place in heads]
    beside, trouble = _read(file, lambda file: head_beside(file, seal))
    if beside is not None:
        published.append(beside)
    if not published:
        trouble = trouble or _read(file, lambda file: trouble_without_head(file, seal))
    return _read(file, lambda file: verify_files(file, secret, published, trouble)).plain()


def _content(path: Path) -> bytes:
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def _read(path: Path, read: Callable[[Path], Read]) -> Read:
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise Failure(f"{path}: {getattr(error, 'strerror', None) or error}", wants_json()) from None
