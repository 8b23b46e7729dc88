"""Policies to test with: keys, a strategy, and what Consul's KV holds of it."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from graydns.config.release_policy import ReleasePolicy, dump_release_policy
from graydns.config.schema import structure_as
from graydns.control.policy.acceptance import AcceptanceTerms
from graydns.control.policy.revisions import active_key
from graydns.control.policy.signatures import (
    Ed25519Signer,
    HmacSecret,
    PolicySigner,
    PolicyVerifiers,
    encode_kv_entries,
    generate_private_key,
    sign_policy,
)

PRIVATE = generate_private_key()
SECRET = HmacSecret(bytes(range(32)))

KEYS: PolicyVerifiers = {"k1": PRIVATE.public, "k0": SECRET}

TERMS = AcceptanceTerms("gray/", "dc1", None, KEYS)

#: 2026-11-22T08:00:00Z.
NOW = 1795334400.0

#: A policy with something in every key.
POLICY: dict[str, Any] = {
    "meta": {
        "format": "graydns-policy-1",
        "prefix": "gray/",
        "datacenter": "dc1",
        "tenant": "one",
        "revision": "7",
        "not_before": "2026-11-22T07:00:00Z",
        "not_after": "2026-11-22T09:00:00Z",
        "author": "anna",
    },
    "route": [
        {
            "name": "vip",
            "when": {"source": "10.2.0.0/16", "tag": {"plan": "gold"}},
            "then": {"version": "canary", "ttl": "0"},
            "priority": "3",
            "path": "/v1/*",
            "method": "GET",
        },
        {"name": "staging", "when": {"name": "staging"}, "then": {"records": {"A": ["192.0.2.30"]}}},
    ],
    "weight": {"web.a.test": {"stable": "3", "canary": "1"}},
    "percent": {"api.a.test": {"canary": "12.5"}},
    "whitelist": {"api.a.test": {"canary": ["client:qa", "net:10.1.0.0/16"]}},
}


def strategy(revision: int = 7, **parts: Any) -> ReleasePolicy:
    """POLICY as *revision*, with *parts* in the place of its own; of ``meta`` only what is given differs."""
    meta = {**POLICY["meta"], "revision": str(revision), **parts.pop("meta", {})}
    made, issues = structure_as({**POLICY, **parts, "meta": meta}, ReleasePolicy)
    assert made is not None, issues
    return made


def published(made: ReleasePolicy, signer: PolicySigner | None = PRIVATE, key: str = "k1") -> dict[str, bytes]:
    """What KV holds once *made* is published and active; without *signer*, unsigned."""
    kept = encode_kv_entries(dump_release_policy(made) if signer is None else sign_policy(made, signer, key))
    return {**kept, active_key(made.meta.prefix): str(made.meta.revision).encode()}


def other_key() -> Ed25519Signer:
    """A key that nobody knows."""
    return generate_private_key()


def unsigned() -> AcceptanceTerms:
    """Terms that ask for no signature."""
    return evolve(TERMS, keys=None)
