"""Step: one thing that the validator found out on its way, for people (``graydnsctl dnssec explain``)."""

from __future__ import annotations

from attrs import frozen

from graydns.model.proof import Security, Signer


@frozen
class Step:
    """What *name* and *rdtype* turned out to be worth. *signer*: who vouches for it. *text*: why, or why not."""

    name: bytes
    rdtype: int
    security: Security
    text: str
    signer: Signer | None = None
