"""Keys: who may sign policies. Files are read here, so call this when configuration loads.

Signing: what a signature covers, made and verified.

The octets that are signed are the canonical JSON (RFC 8785) of::

    {"body": "<SHA-256 of the canonical JSON of the revision's keys, hexadecimal>",
     "datacenter": …, "format": …, "not_after": …, "not_before": …, "prefix": …, "revision": …, "tenant": …}

so a revision that was signed for one place counts nowhere else. What is not in ``meta`` is null.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Any, Protocol, TypeAlias

from attrs import field, frozen
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from graydns.config.canonical_json import JsonValue, canonicalize
from graydns.config.consul_settings import ConsulPolicySettings, decode_base64
from graydns.config.document import describe_os_error, read_regular_file
from graydns.config.release_policy import ReleasePolicy, dump_release_policy
from graydns.model.errors import ConfigError, ConfigIssue

ED25519, HMAC_SHA256 = "ed25519", "hmac-sha256"

#: Octets of an HMAC secret: at least those of the hash (RFC 2104 section 3).
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 32, 1024


class PolicyVerifier(Protocol):
    """A key that tells whether it made a signature."""

    @property
    def algorithm(self) -> str:
        """One of ``release_policy.SIGNATURE_ALGORITHMS``."""

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether *signature* is this key's over *message*."""


class PolicySigner(Protocol):
    """A key that makes signatures."""

    @property
    def algorithm(self) -> str:
        """One of ``release_policy.SIGNATURE_ALGORITHMS``."""

    def sign(self, message: bytes) -> bytes:
        """A signature over *message*."""


#: By id.
PolicyVerifiers: TypeAlias = Mapping[str, PolicyVerifier]


@frozen
class Ed25519Verifier:
    """Ed25519 (RFC 8032). *octets*: 32."""

    octets: bytes
    algorithm: str = field(default=ED25519, init=False)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the private key of this one made *signature*."""
        try:
            Ed25519PublicKey.from_public_bytes(self.octets).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@frozen
class Ed25519Signer:
    """The other half of an Ed25519Verifier."""

    key: Ed25519PrivateKey = field(repr=False)
    algorithm: str = field(default=ED25519, init=False)

    @property
    def public(self) -> Ed25519Verifier:
        """What verifies."""
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        return Ed25519Verifier(self.key.public_key().public_bytes(*raw))

    def dump(self) -> bytes:
        """The contents of its file, for ``read_signer``."""
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(pem, pkcs8, serialization.NoEncryption())

    def sign(self, message: bytes) -> bytes:
        """64 octets."""
        return self.key.sign(message)


@frozen
class HmacSecret:
    """HMAC-SHA256 (RFC 2104): a key that verifies can also sign."""

    secret: bytes = field(repr=False)
    algorithm: str = field(default=HMAC_SHA256, init=False)

    def dump(self) -> bytes:
        """The contents of its file, for ``read_secret``."""
        return base64.b64encode(self.secret) + b"\n"

    def sign(self, message: bytes) -> bytes:
        """32 octets."""
        return hmac.digest(self.secret, message, sha256)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether this secret made *signature*; takes as long whether it did or not."""
        return hmac.compare_digest(self.sign(message), signature)


def generate_private_key() -> Ed25519Signer:
    """A fresh Ed25519 key."""
    return Ed25519Signer(Ed25519PrivateKey.generate())


def generate_secret() -> HmacSecret:
    """A fresh HMAC secret."""
    return HmacSecret(token_bytes(MIN_SECRET_BYTES))


def load_verifiers(policy: ConsulPolicySettings, file: str = "") -> PolicyVerifiers:
    """The keys of *policy*. Raises ConfigError for secrets that cannot be read; *file*: the main file."""
    keys: dict[str, PolicyVerifier] = {}
    faults: list[ConfigIssue] = []
    for index, one in enumerate(policy.keys):
        if one.ed25519 is not None:
            keys[one.id] = Ed25519Verifier(one.ed25519)
        elif one.hmac_sha256_file is not None:
            try:
                keys[one.id] = read_secret(one.hmac_sha256_file)
            except ValueError as error:
                path = ("consul", "policy", "keys", index, "hmac_sha256_file")
                faults.append(ConfigIssue(path, str(error), "a file that graydnsctl policy keygen made", file))
    if faults:
        raise ConfigError(faults)
    return keys


def read_secret(path: Path) -> HmacSecret:
    """The secret in *path*: base64 in one line. Raises ValueError."""
    octets = decode_base64(_read_key_file(path).decode("ascii", "replace").strip())
    if octets is None or not MIN_SECRET_BYTES <= len(octets) <= MAX_SECRET_BYTES:
        raise ValueError(f"{path}, which has no {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} octets in base64")
    return HmacSecret(octets)


def read_signer(path: Path) -> Ed25519Signer | HmacSecret:
    """The key in *path* that signs: Ed25519 (PEM, PKCS #8, not encrypted), or a secret. Raises ValueError."""
    data = _read_key_file(path)
    if not data.lstrip().startswith(b"-----BEGIN"):
        return read_secret(path)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"{path}, which has no private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path}, which has another key than an Ed25519 one")
    return Ed25519Signer(key)


def _read_key_file(path: Path) -> bytes:
    try:
        return read_regular_file(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} ({describe_os_error(error)})") from None


#: The keys of a revision that its signature covers.
SIGNED_KEYS = ("meta", "percent", "route", "weight", "whitelist")

SIGNATURE_KEY = "signature"

#: The keys of ``meta`` that are signed by name.
SIGNED_META_FIELDS = ("datacenter", "format", "not_after", "not_before", "prefix", "revision", "tenant")


def build_signed_message(meta: JsonValue, forms: Mapping[str, bytes]) -> bytes:
    """The octets that are signed. *forms*: the canonical JSON of every key in BODY; *meta*: what that one says."""
    named = {name: meta.get(name) if isinstance(meta, Mapping) else None for name in SIGNED_META_FIELDS}
    body = b",".join(b'"%b":%b' % (key.encode(), forms[key]) for key in SIGNED_KEYS)  # which are in canonical order
    return canonicalize({**named, "body": sha256(b"{%b}" % body).hexdigest()})


def sign_policy(strategy: ReleasePolicy, signer: PolicySigner, key: str) -> dict[str, Any]:
    """The JSON of *strategy* by key, SIGNATURE too, made by *signer*, whose id is *key*."""
    body = dump_release_policy(strategy)
    forms = {name: canonicalize(value) for name, value in body.items()}
    signature = base64.b64encode(signer.sign(build_signed_message(body["meta"], forms))).decode()
    return {**body, SIGNATURE_KEY: {"algorithm": signer.algorithm, "key": key, "signature": signature}}


def encode_kv_entries(signed: Mapping[str, Any]) -> dict[str, bytes]:
    """What ``sign_policy`` gave, or ``dump_release_policy``, as keys of KV with their octets; ``active`` is not among
    them."""
    folder = f"{signed['meta']['prefix']}strategy/{signed['meta']['revision']}/"
    return {folder + name: canonicalize(value) for name, value in signed.items()}


def is_valid_signature(verifier: PolicyVerifier, algorithm: str, signature: bytes, signed: bytes) -> bool:
    """Whether *signature* is that of *signed*. The key says how that is checked; *algorithm* must only agree."""
    return algorithm == verifier.algorithm and verifier.verifies(signed, signature)
