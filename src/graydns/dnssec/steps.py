"""Step: one thing that the validator found out on its way, for people (``graydnsctl dnssec explain``)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from attrs import frozen

from graydns.dnssec.delegation import DS
from graydns.dnssec.keys import KeySet
from graydns.model.proof import Security, Signer

#: Records that are shown; of more the number is told.
MOST = 4


@frozen
class Step:
    """What *name* and *rdtype* turned out to be worth. *signer*: who vouches for it. *text*: why, or why not."""

    name: bytes
    rdtype: int
    security: Security
    text: str
    signer: Signer | None = None


def show_ds(ds: Sequence[DS]) -> str:
    """Tag, algorithm and digest type of each."""
    return ", ".join(f"DS {each.tag} {each.algorithm} {each.digest_type}" for each in ds[:MOST]) + _rest(len(ds))


def show_keys(keys: KeySet) -> str:
    """Tag and algorithm of each."""
    named = (f"DNSKEY {tag} {algorithm}" for algorithm, tag in islice(keys.keys, MOST))
    return ", ".join(named) + _rest(len(keys.keys))


def _rest(number: int) -> str:
    return f" and {number - MOST} more" if number > MOST else ""
