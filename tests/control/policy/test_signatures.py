"""Signatures: what they cover, with which keys, and that nothing of it can be altered."""

from __future__ import annotations

import base64
import json
import os
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from graydns.config.canonical_json import canonicalize
from graydns.config.consul_settings import ConsulPolicySettings, PolicyKeySettings
from graydns.config.release_policy import dump_release_policy
from graydns.control.policy.acceptance import AcceptanceState, evaluate_envelope, evaluate_listing
from graydns.control.policy.policy_errors import (
    BadSignatureError,
    InvalidRevisionError,
    MalformedRevisionError,
    PolicyError,
    UnknownKeyError,
    UnsignedRevisionError,
)
from graydns.control.policy.revisions import find_active_envelope, read_active_candidate
from graydns.control.policy.signatures import (
    Ed25519Signer,
    Ed25519Verifier,
    HmacSecret,
    encode_kv_entries,
    load_verifiers,
    read_secret,
    read_signer,
    sign_policy,
)
from graydns.model.errors import ConfigError
from tests.control.policy.making import KEYS, NOW, PRIVATE, SECRET, TERMS, other_key, published, strategy

LISTING = published(strategy())
SIGNED = published(strategy(), SECRET, "k0")

SIGNATURE = "gray/strategy/7/signature"


def test_ed25519_of_the_rfc() -> None:
    """A signature is the one that RFC 8032 section 7.1 has for its second test."""
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = Ed25519Signer(Ed25519PrivateKey.from_private_bytes(secret))
    assert key.public.octets.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign(b"\x72")
    assert signature.hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert key.public.verifies(b"\x72", signature)
    assert not key.public.verifies(b"\x73", signature)


def test_hmac_of_the_rfc() -> None:
    """A signature is the one that RFC 4231 section 4.2 has."""
    assert HmacSecret(b"\x0b" * 20).sign(b"Hi There").hex() == (
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )


def test_what_is_signed() -> None:
    """The octets name the place, the number and the window, and have the hash of all the rest."""
    covered = json.loads(read_active_candidate(LISTING, "gray/").signed_message)
    assert covered.pop("body") == sha256(canonicalize(dump_release_policy(strategy()))).hexdigest()
    assert covered == {
        "datacenter": "dc1",
        "format": "graydns-policy-1",
        "not_after": "2026-11-22T09:00:00Z",
        "not_before": "2026-11-22T07:00:00Z",
        "prefix": "gray/",
        "revision": 7,
        "tenant": "one",
    }


@pytest.mark.parametrize(("signer", "key"), [(PRIVATE, "k1"), (SECRET, "k0")])
def test_every_configured_key_counts(signer: Ed25519Signer | HmacSecret, key: str) -> None:
    """While keys are rotated, what either of them signed is taken, and it is known which did."""
    revision = evaluate_envelope(None, find_active_envelope(published(strategy(), signer, key), "gray/"), TERMS, NOW)
    assert (revision.number, revision.signed_by) == (7, key)


def test_another_key_makes_no_other_revision() -> None:
    """A revision that is signed anew, with the next key, is the same one."""
    assert read_active_candidate(LISTING, "gray/").digest == read_active_candidate(SIGNED, "gray/").digest


def test_white_space_and_order_are_not_signed() -> None:
    """Whoever lays the JSON out anew, as an editor does, has not altered it."""
    loose = {key: json.dumps(json.loads(value), indent=2).encode() + b"\n" for key, value in LISTING.items()}
    assert evaluate_listing(AcceptanceState(), loose, TERMS, NOW)[1] is not None


@pytest.mark.parametrize(
    ("listing", "error"),
    [
        (published(strategy(), None), UnsignedRevisionError),
        (published(strategy(), other_key()), BadSignatureError),
        (published(strategy(), PRIVATE, "k2"), UnknownKeyError),
        (published(strategy(), PRIVATE, "k0"), BadSignatureError),
        (published(strategy(), SECRET, "k1"), BadSignatureError),
        (published(strategy(), HmacSecret(PRIVATE.public.octets), "k1"), BadSignatureError),
        ({**LISTING, SIGNATURE: b"null"}, InvalidRevisionError),
        ({**LISTING, SIGNATURE: b"{}"}, InvalidRevisionError),
        (
            {**LISTING, SIGNATURE: SIGNED[SIGNATURE].replace(b"k0", b"k1")},
            BadSignatureError,
        ),
        ({**LISTING, SIGNATURE: LISTING[SIGNATURE].replace(b'"ed25519"', b'"hmac-sha256"')}, BadSignatureError),
        ({**SIGNED, SIGNATURE: SIGNED[SIGNATURE].replace(b'"hmac-sha256"', b'"ed25519"')}, BadSignatureError),
    ],
)
def test_wrong_signatures(listing: dict[str, bytes], error: type[PolicyError]) -> None:
    """What nobody signed, somebody else did, or with another kind of key (a public key is no secret), is refused.

    So is a signature that is right but for the kind of key that it says it was made with.
    """
    state, revision = evaluate_listing(AcceptanceState(), listing, TERMS, NOW)
    assert revision is None
    assert type(state.refused) is error


@pytest.mark.parametrize(
    ("signature", "error"),
    [
        (None, UnsignedRevisionError),
        (published(strategy(), PRIVATE, "k2")[SIGNATURE], UnknownKeyError),
        (b"{", MalformedRevisionError),
        (b" " * 5000 + LISTING[SIGNATURE], MalformedRevisionError),
    ],
)
def test_nothing_is_opened_that_nobody_known_signed(signature: bytes | None, error: type[PolicyError]) -> None:
    """Whoever has no key cannot have a body parsed, whatever is in it."""
    broken = {key: b"{" if key.endswith(("route", "meta")) else value for key, value in LISTING.items()}
    del broken[SIGNATURE]
    listing = broken if signature is None else {**broken, SIGNATURE: signature}
    refused = evaluate_listing(AcceptanceState(), listing, TERMS, NOW)[0].refused
    assert type(refused) is error
    assert "route" not in str(refused)


@given(st.sampled_from([LISTING, SIGNED]), st.data())
def test_any_octet(listing: dict[str, bytes], data: st.DataObject) -> None:
    """Whatever octet of a signed revision is changed to whatever other, the revision is refused."""
    key = data.draw(st.sampled_from(sorted(listing)))
    value = listing[key]
    at = data.draw(st.integers(0, len(value) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda octet: octet != value[at]))
    altered = {**listing, key: value[:at] + bytes((octet,)) + value[at + 1 :]}
    state, revision = evaluate_listing(AcceptanceState(), altered, TERMS, NOW)
    assert revision is None
    assert state.refused is not None


@pytest.mark.parametrize("name", ["route", "weight", "percent", "whitelist", "meta"])
def test_parts_of_another_revision(name: str) -> None:
    """A key that was signed as part of one revision is refused in another."""
    other = strategy(8, route=[], weight={}, percent={}, whitelist={})
    mixed = {**LISTING, f"gray/strategy/7/{name}": published(other)[f"gray/strategy/8/{name}"]}
    assert type(evaluate_listing(AcceptanceState(), mixed, TERMS, NOW)[0].refused) is BadSignatureError


def test_dump_is_read_as_it_was() -> None:
    """What is written of a strategy is read as an equal one, in KV as well."""
    assert evaluate_envelope(None, find_active_envelope(LISTING, "gray/"), TERMS, NOW).strategy == strategy()
    assert set(encode_kv_entries(sign_policy(strategy(), PRIVATE, "k1"))) == set(LISTING) - {"gray/strategy/active"}


def test_keys_of_a_configuration(tmp_path: Path) -> None:
    """Public keys stand in the configuration, secrets in files."""
    (tmp_path / "k0.key").write_bytes(SECRET.dump())
    public = PolicyKeySettings("k1", PRIVATE.public.octets)
    assert (
        load_verifiers(ConsulPolicySettings(keys=(public, PolicyKeySettings("k0", None, tmp_path / "k0.key")))) == KEYS
    )


@pytest.mark.parametrize("content", [b"", b"AAAA\n", b"\xff" * 44, base64.b64encode(bytes(1025)), None])
def test_secrets_that_are_none(content: bytes | None, tmp_path: Path) -> None:
    """A secret that cannot be read, or is too short to be one, is a fault of its key."""
    path = tmp_path / "k"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_verifiers(
            ConsulPolicySettings(keys=(PolicyKeySettings("k1", bytes(32)), PolicyKeySettings("k0", None, path))),
            "graydns.yaml",
        )
    (fault,) = caught.value.issues
    assert (fault.path, fault.file) == (("consul", "policy", "keys", 1, "hmac_sha256_file"), "graydns.yaml")
    assert str(path) in fault.found


def test_files_that_sign(tmp_path: Path) -> None:
    """What is written of a key is read as the same key."""
    for name, key in (("a", PRIVATE), ("b", SECRET)):
        (tmp_path / name).write_bytes(key.dump())
        read = read_signer(tmp_path / name)
        assert (type(read), read.sign(b"x")) == (type(key), key.sign(b"x"))


def test_files_that_do_not_sign(tmp_path: Path) -> None:
    """Other keys, encrypted ones, FIFOs and what is no key at all are refused in words."""
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    other = x25519.X25519PrivateKey.generate().private_bytes(pem, pkcs8, serialization.NoEncryption())
    locked = PRIVATE.key.private_bytes(pem, pkcs8, serialization.BestAvailableEncryption(b"word"))
    for content in (other, locked, b"-----BEGIN x-----\n"):
        (tmp_path / "k").write_bytes(content)
        with pytest.raises(ValueError, match="which has"):
            read_signer(tmp_path / "k")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="regular file"):
        read_secret(tmp_path / "fifo")


def test_a_public_key_that_is_no_point() -> None:
    """Octets that are no key verify nothing."""
    assert not Ed25519Verifier(b"\xff" * 32).verifies(b"", bytes(64))
    assert not PRIVATE.public.verifies(b"", b"short")
