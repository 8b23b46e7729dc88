"""Signing: what a signature covers, made and verified.

The octets that are signed are the canonical JSON (RFC 8785) of::

    {"body": "<SHA-256 of the canonical JSON of the revision's keys, hexadecimal>",
     "datacenter": …, "format": …, "not_after": …, "not_before": …, "prefix": …, "revision": …, "tenant": …}

so a revision that was signed for one place counts nowhere else. What is not in ``meta`` is null.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from graydns.config.canonical_json import JsonValue, canonicalize
from graydns.config.release_policy import ReleasePolicy, dump_release_policy
from graydns.sources.policy.keys import Signer, Verifier

#: The keys of a revision that its signature covers.
BODY = ("meta", "percent", "route", "weight", "whitelist")

SIGNATURE = "signature"

#: The keys of ``meta`` that are signed by name.
NAMED = ("datacenter", "format", "not_after", "not_before", "prefix", "revision", "tenant")


def message(meta: JsonValue, forms: Mapping[str, bytes]) -> bytes:
    """The octets that are signed. *forms*: the canonical JSON of every key in BODY; *meta*: what that one says."""
    named = {name: meta.get(name) if isinstance(meta, Mapping) else None for name in NAMED}
    body = b",".join(b'"%b":%b' % (key.encode(), forms[key]) for key in BODY)  # which are in canonical order
    return canonicalize({**named, "body": sha256(b"{%b}" % body).hexdigest()})


def sign(strategy: ReleasePolicy, signer: Signer, key: str) -> dict[str, Any]:
    """The JSON of *strategy* by key, SIGNATURE too, made by *signer*, whose id is *key*."""
    body = dump_release_policy(strategy)
    forms = {name: canonicalize(value) for name, value in body.items()}
    signature = base64.b64encode(signer.sign(message(body["meta"], forms))).decode()
    return {**body, SIGNATURE: {"algorithm": signer.algorithm, "key": key, "signature": signature}}


def entries(signed: Mapping[str, Any]) -> dict[str, bytes]:
    """What ``sign`` gave, or ``dump_release_policy``, as keys of KV with their octets; ``active`` is not among them."""
    folder = f"{signed['meta']['prefix']}strategy/{signed['meta']['revision']}/"
    return {folder + name: canonicalize(value) for name, value in signed.items()}


def verifies(verifier: Verifier, algorithm: str, signature: bytes, signed: bytes) -> bool:
    """Whether *signature* is that of *signed*. The key says how that is checked; *algorithm* must only agree."""
    return algorithm == verifier.algorithm and verifier.verifies(signed, signature)
