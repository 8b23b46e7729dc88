"""``graydnsctl passwd``: writes the users who may log in over TLS. Offline: on the server's own disk."""

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

from graydns.ctl.place import configured
from graydns.ctl.tables import show
from graydns.ctl.tool import Command, Failure, tell, wants_json
from graydns.model.users import LARGEST_FILE, NAME, PASSWORD, ROLES, User, hash_password, read_users, write_users

FILE = "users.json"


@click.command(cls=Command)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="What the user may do; a new user without it is viewer.")
@click.option("--tenant", help="The only tenant that the user sees; '' = all.")
@click.option("--remove", is_flag=True, help="Take the user away.")
@click.option("--data", type=click.Path(path_type=Path), help="Data folder; else that of ./graydns.yaml.")
def passwd(name: str, role: str | None, tenant: str | None, remove: bool, data: Path | None) -> None:
    """Set the password of NAME, who then may log in over TLS. It is asked for, or read from standard input."""
    if not NAME.fullmatch(name):
        raise click.UsageError("a name has 1 to 63 letters, digits, '.', '_', '@' or '-', the first a letter or digit")
    folder = data or Path(configured("data"))
    password = None if remove else read_password()
    try:
        with locked(folder):
            change(folder / FILE, name, role, tenant, password)
    except (OSError, ValueError) as error:
        raise Failure(f"{folder / FILE}: {error}", wants_json()) from None
    tell({"name": name, "removed": remove, "file": str(folder / FILE)}, show)


def change(file: Path, name: str, role: str | None, tenant: str | None, password: str | None) -> None:
    """Set or, without *password*, remove a user. Raises OSError and ValueError; then nothing is changed."""
    users = load(file)
    old = users.pop(name, None)
    if password is None:
        if old is None:
            raise ValueError(f"no user {name}")
    else:
        role = role or (old.role if old else ROLES[0])
        tenant = (old.tenant if old else None) if tenant is None else tenant or None
        users[name] = User(role, tenant, hash_password(password, secrets.token_bytes(16)))
    save(file, users)


def load(file: Path) -> dict[str, User]:
    """The users so far; none if there is no file."""
    try:
        with file.open("rb") as opened:
            return read_users(opened.read(LARGEST_FILE + 1).decode())
    except FileNotFoundError:
        return {}


def save(file: Path, users: Mapping[str, User]) -> None:
    """Replace *file* by one with *users*, mode 0600, of the same owner as its folder; all of it or nothing."""
    owner = file.parent.stat()
    handle, draft = mkstemp(prefix=f".{FILE}.", dir=file.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            if os.geteuid() == 0:
                os.fchown(opened.fileno(), owner.st_uid, owner.st_gid)
            opened.write(write_users(users))
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(draft, file)
    except BaseException:
        os.unlink(draft)
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other ``passwd`` commands out of *folder*, and put what was done there on the disk."""
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
    least, most = PASSWORD
    if not least <= len(password) <= most:
        raise Failure(f"a password has {least} to {most} characters", wants_json())
    return password
