"""``graydnsctl passwd``: changes the users that may log in over TLS, in the file on the server's disk."""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp

import click

from graydns.ctl.admin_endpoint import read_configured
from graydns.ctl.cli_context import CommandError, JsonCommand, print_result, wants_json
from graydns.ctl.output import print_value
from graydns.model.users import (
    MAX_USERS_FILE_BYTES,
    PASSWORD_LENGTH_BOUNDS,
    ROLES,
    USER_NAME_PATTERN,
    USERS_FILE_NAME,
    User,
    format_users,
    hash_password,
    parse_users,
)


@click.command(cls=JsonCommand)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="The role of the user; a new user is a viewer by default.")
@click.option("--tenant", help="The only tenant that the user sees; '' = all.")
@click.option("--remove", is_flag=True, help="Remove the user.")
@click.option("--data", type=click.Path(path_type=Path), help="Data folder; else that of ./graydns.yaml.")
def passwd(name: str, role: str | None, tenant: str | None, remove: bool, data: Path | None) -> None:
    """Set the password of NAME, who may then log in over TLS. It is read from a prompt or standard input."""
    if not USER_NAME_PATTERN.fullmatch(name):
        raise click.UsageError("a name has 1 to 63 letters, digits, '.', '_', '@' or '-', the first a letter or digit")
    folder = data or Path(read_configured("data"))
    password = None if remove else read_password()
    try:
        with lock_folder(folder):
            set_user(folder / USERS_FILE_NAME, name, role, tenant, password)
    except (OSError, ValueError) as error:
        raise CommandError(f"{folder / USERS_FILE_NAME}: {error}", wants_json()) from None
    print_result({"name": name, "removed": remove, "file": str(folder / USERS_FILE_NAME)}, print_value)


def set_user(file: Path, name: str, role: str | None, tenant: str | None, password: str | None) -> None:
    """Set a user or, without *password*, remove one. Raises OSError and ValueError; nothing is changed then."""
    users = load_users_or_empty(file)
    old = users.pop(name, None)
    if password is None:
        if old is None:
            raise ValueError(f"no user {name}")
    else:
        role = role or (old.role if old else ROLES[0])
        tenant = (old.tenant if old else None) if tenant is None else tenant or None
        users[name] = User(role, tenant, hash_password(password, secrets.token_bytes(16)))
    replace_users_file(file, users)


def load_users_or_empty(file: Path) -> dict[str, User]:
    """The users in *file*; none if it does not exist. Raises OSError and ValueError."""
    try:
        with file.open("rb") as opened:
            return parse_users(opened.read(MAX_USERS_FILE_BYTES + 1).decode())
    except FileNotFoundError:
        return {}


def replace_users_file(file: Path, users: Mapping[str, User]) -> None:
    """Replace *file* atomically by one with *users*, with mode 0600 and the owner of its folder. Raises OSError."""
    owner = file.parent.stat()
    handle, draft = mkstemp(prefix=f".{USERS_FILE_NAME}.", dir=file.parent)  # created with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            if os.geteuid() == 0:
                os.fchown(opened.fileno(), owner.st_uid, owner.st_gid)
            opened.write(format_users(users))
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(draft, file)
    except BaseException:
        os.unlink(draft)
        raise


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock *folder* against other ``passwd`` commands; at the end, sync it to the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
        os.fsync(opened)
    finally:
        os.close(opened)


def read_password() -> str:
    """The password, typed twice, or the first line of standard input."""
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().removesuffix("\n")
    least, most = PASSWORD_LENGTH_BOUNDS
    if not least <= len(password) <= most:
        raise CommandError(f"a password has {least} to {most} characters", wants_json())
    return password
