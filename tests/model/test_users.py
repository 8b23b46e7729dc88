"""Users and their hashes."""

from __future__ import annotations

import json

import pytest

from graydns.model.users import DEFAULT_SCRYPT_COSTS, ScryptHash, User, format_users, hash_password, parse_users
from tests.admin.running import quick_user

SALT = bytes(range(16))


def test_a_password_matches_its_hash_only() -> None:
    """The right password matches, others do not, and the same password with another salt hashes to something else."""
    hashed = hash_password("correct horse", SALT)
    assert hashed.matches("correct horse")
    assert not hashed.matches("correct horse ")
    assert hash_password("correct horse", SALT[::-1]).digest != hashed.digest
    assert (hashed.n, hashed.r, hashed.p) == DEFAULT_SCRYPT_COSTS


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_bad_passwords(password: str) -> None:
    """A password has a least and a most length."""
    with pytest.raises(ValueError, match="characters"):
        hash_password(password, SALT)


def test_users_go_through_their_file() -> None:
    """What is written is read."""
    users = {"alice": quick_user("operator", "t-shop"), "bob": quick_user("admin")}
    assert parse_users(format_users(users)) == users


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"users": []}',
        '{"users": {"a": {}}}',
        '{"users": {"a": {"role": "king", "tenant": null, "scrypt": null}}}',
        "[" * 100_000,
    ],
)
def test_no_users_file(text: str) -> None:
    """Whatever else a file holds is one error."""
    with pytest.raises(ValueError):  # noqa: PT011  # json's own error is one too
        parse_users(text)


@pytest.mark.parametrize(
    "change",
    [{"n": 3}, {"n": 1}, {"n": 1 << 30}, {"r": 0}, {"p": 1000}, {"salt": "00"}, {"digest": "00"}, {"salt": "zz"}],
)
def test_costs_have_bounds(change: dict[str, object]) -> None:
    """A file cannot make the server compute for ever, nor compare with next to nothing."""
    scrypt = json.loads(format_users({"a": quick_user("viewer")}))["users"]["a"]["scrypt"] | change
    with pytest.raises(ValueError):  # noqa: PT011
        ScryptHash(**scrypt)


def test_an_admin_is_of_no_tenant() -> None:
    """An admin of one tenant would be admin of the server."""
    with pytest.raises(ValueError, match="tenant"):
        User("admin", "t-shop", quick_user("viewer").scrypt)
