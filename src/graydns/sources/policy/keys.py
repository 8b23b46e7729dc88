"""Keys: who may sign policies. Files are read here, so call this when configuration loads."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Protocol, TypeAlias

from attrs import field, frozen
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from graydns.config.consul_settings import ConsulPolicySettings, decode_base64
from graydns.config.document import describe_os_error, read_regular_file
from graydns.model.errors import ConfigError, ConfigIssue

ED25519, HMAC_SHA256 = "ed25519", "hmac-sha256"

#: Octets of an HMAC secret: at least those of the hash (RFC 2104 section 3).
LEAST_SECRET, MOST_SECRET = 32, 1024


class Verifier(Protocol):
    """A key that tells whether it made a signature."""

    @property
    def algorithm(self) -> str:
        """One of ``config.strategy.ALGORITHMS``."""

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether *signature* is this key's over *message*."""


class Signer(Protocol):
    """A key that makes signatures."""

    @property
    def algorithm(self) -> str:
        """One of ``config.strategy.ALGORITHMS``."""

    def sign(self, message: bytes) -> bytes:
        """A signature over *message*."""


#: By id.
Keys: TypeAlias = Mapping[str, Verifier]


@frozen
class PublicKey:
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
class PrivateKey:
    """The other half of a PublicKey."""

    key: Ed25519PrivateKey = field(repr=False)
    algorithm: str = field(default=ED25519, init=False)

    @property
    def public(self) -> PublicKey:
        """What verifies."""
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        return PublicKey(self.key.public_key().public_bytes(*raw))

    def dump(self) -> bytes:
        """The contents of its file, for ``read_signer``."""
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(pem, pkcs8, serialization.NoEncryption())

    def sign(self, message: bytes) -> bytes:
        """64 octets."""
        return self.key.sign(message)


@frozen
class SharedSecret:
    """HMAC-SHA256 (RFC 2104): whoever can verify can sign."""

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


def new_private_key() -> PrivateKey:
    """A fresh Ed25519 key."""
    return PrivateKey(Ed25519PrivateKey.generate())


def new_secret() -> SharedSecret:
    """A fresh HMAC secret."""
    return SharedSecret(token_bytes(LEAST_SECRET))


def load_keys(policy: ConsulPolicySettings, file: str = "") -> Keys:
    """The keys of *policy*. Raises ConfigError for secrets that cannot be read; *file*: the main file."""
    keys: dict[str, Verifier] = {}
    faults: list[ConfigIssue] = []
    for index, one in enumerate(policy.keys):
        if one.ed25519 is not None:
            keys[one.id] = PublicKey(one.ed25519)
        elif one.hmac_sha256_file is not None:
            try:
                keys[one.id] = read_secret(one.hmac_sha256_file)
            except ValueError as error:
                path = ("consul", "policy", "keys", index, "hmac_sha256_file")
                faults.append(ConfigIssue(path, str(error), "a file that graydnsctl policy keygen made", file))
    if faults:
        raise ConfigError(faults)
    return keys


def read_secret(path: Path) -> SharedSecret:
    """The secret in *path*: base64 in one line. Raises ValueError."""
    octets = decode_base64(_read(path).decode("ascii", "replace").strip())
    if octets is None or not LEAST_SECRET <= len(octets) <= MOST_SECRET:
        raise ValueError(f"{path}, which has no {LEAST_SECRET} to {MOST_SECRET} octets in base64")
    return SharedSecret(octets)


def read_signer(path: Path) -> PrivateKey | SharedSecret:
    """The key in *path* that signs: Ed25519 (PEM, PKCS #8, not encrypted), or a secret. Raises ValueError."""
    data = _read(path)
    if not data.lstrip().startswith(b"-----BEGIN"):
        return read_secret(path)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"{path}, which has no private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path}, which has another key than an Ed25519 one")
    return PrivateKey(key)


def _read(path: Path) -> bytes:
    try:
        return read_regular_file(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} ({describe_os_error(error)})") from None
