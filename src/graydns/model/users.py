"""Users: who may log in to the admin interface, as what, and the form that has in ``users.json``.

Passwords are kept as scrypt hashes (RFC 7914). Hashing takes a third of a second on purpose: do it in a thread.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import asdict, evolve, frozen

#: Name of the users file, in the data folder.
USERS_FILE_NAME = "users.json"

VIEWER, OPERATOR, ADMIN = "viewer", "operator", "admin"

#: From the least privileged; each may do what those before it may.
ROLES = (VIEWER, OPERATOR, ADMIN)

USER_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")

#: Characters of a password, least and most.
PASSWORD_LENGTH_BOUNDS = (8, 1024)

#: Bytes of a users file; far more than any team needs.
MAX_USERS_FILE_BYTES = 1 << 20


@frozen
class ScryptHash:
    """A password as RFC 7914 has it: costs *n* (memory), *r* (block size), *p* (repetition); hexadecimal texts."""

    n: int
    r: int
    p: int
    salt: str
    digest: str

    def __attrs_post_init__(self) -> None:
        power = self.n > 1 and self.n & (self.n - 1) == 0
        if not (power and self.n * self.r <= 1 << 20 and 0 < self.r <= 32 and 0 < self.p <= 16):
            raise ValueError("scrypt costs out of bounds")
        if len(bytes.fromhex(self.digest)) != 32 or len(bytes.fromhex(self.salt)) < 16:
            raise ValueError("scrypt needs 16 octets of salt and 32 of digest")

    def matches(self, password: str) -> bool:
        """Whether *password* is the one; takes as long whether it is or not."""
        return hmac.compare_digest(bytes.fromhex(self.digest), _compute_digest(self, password))


#: n, r, p. 16 MiB and five rounds: as hard to guess as 128 MiB and one, without the memory.
DEFAULT_SCRYPT_COSTS = (1 << 14, 8, 5)


def hash_password(password: str, salt: bytes, costs: tuple[int, int, int] = DEFAULT_SCRYPT_COSTS) -> ScryptHash:
    """*password* hashed with 16 or more random octets of *salt*. Raises ValueError if it is too short or long."""
    least, most = PASSWORD_LENGTH_BOUNDS
    if not least <= len(password) <= most:
        raise ValueError(f"a password has {least} to {most} characters")
    draft = ScryptHash(*costs, salt.hex(), "00" * 32)
    return evolve(draft, digest=_compute_digest(draft, password).hex())


def _compute_digest(scrypt: ScryptHash, password: str) -> bytes:
    return hashlib.scrypt(
        password.encode(),
        salt=bytes.fromhex(scrypt.salt),
        n=scrypt.n,
        r=scrypt.r,
        p=scrypt.p,
        maxmem=256 * scrypt.n * scrypt.r + (1 << 20),
        dklen=32,
    )


@frozen
class User:
    """One user. *tenant*: the only one that the user sees and changes; None = all."""

    role: str
    tenant: str | None
    scrypt: ScryptHash

    def __attrs_post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"a role is one of {', '.join(ROLES)}")
        if self.role == ROLES[-1] and self.tenant is not None:
            raise ValueError("an admin is not of one tenant")


#: Hashing against this costs what hashing against a real user's costs, and nothing matches it.
DUMMY_USER = User("viewer", None, ScryptHash(*DEFAULT_SCRYPT_COSTS, "00" * 16, "00" * 32))


def parse_users(text: str) -> dict[str, User]:
    """The users in *text* of a users file, by name. Raises ValueError."""
    try:
        return {str(name): _parse_user(entry) for name, entry in json.loads(text)["users"].items()}
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a users file ({error!r})") from error


def format_users(users: Mapping[str, User]) -> str:
    """The text of a users file with *users*."""
    return json.dumps({"users": {name: asdict(user) for name, user in sorted(users.items())}}, indent=1) + "\n"


def _parse_user(entry: Mapping[str, Any]) -> User:
    return User(entry["role"], entry["tenant"], ScryptHash(**entry["scrypt"]))
