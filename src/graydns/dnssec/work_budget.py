"""Budget: how much work one answer may cause (KeyTrap: CVE-2023-50387; NSEC3 floods: CVE-2023-50868).

Source: where the validator gets what it needs from.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from attrs import define, field, frozen

from graydns.model.answer import Answer
from graydns.model.errors import GraydnsError


class WorkLimitExceededError(GraydnsError):
    """An answer needs more work than it may cause. It is bogus then: to call it insecure would be a downgrade."""


class QueryLimitExceededError(WorkLimitExceededError):
    """The name is too deep, or its chain too long; no zone is to blame for that."""


@frozen
class ValidationLimits:
    """What one answer may cost.

    *signatures*: signatures tried for the answer itself, and all that fail anywhere. Those of a zone's keys
    are bounded by *queries*, and done once for a zone. *same_tag_keys*: keys of one tag and algorithm in a zone.
    *nsec3_hashes*: names hashed. *queries*: for DS and DNSKEY.
    """

    signatures: int = 16
    same_tag_keys: int = 4
    nsec3_hashes: int = 64
    queries: int = 32


@define
class WorkBudget:
    """What is left for one answer. Every method raises WorkLimitExceededError when nothing is.

    *uninterrupted_seconds*: estimated seconds of work for it since others had their turn.
    """

    limits: ValidationLimits
    uninterrupted_seconds: float = field(init=False, default=0.0)
    _signatures: int = field(init=False, default=0)
    _hashes: int = field(init=False, default=0)
    _queries: int = field(init=False, default=0)

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has been tried or hashed yet."""
        return not self._signatures and not self._hashes

    def spend_signature(self) -> None:
        """One signature is going to be tried."""
        self._signatures += 1
        if self._signatures > self.limits.signatures:
            raise WorkLimitExceededError(f"more than {self.limits.signatures} signatures to try")

    def refund_signatures(self, number: int = 1) -> None:
        """So many of those that were tried were valid, and belong to the status of a zone."""
        self._signatures -= number

    def spend_hash(self) -> None:
        """One name is going to be hashed (RFC 5155 section 5)."""
        self._hashes += 1
        if self._hashes > self.limits.nsec3_hashes:
            raise WorkLimitExceededError(f"more than {self.limits.nsec3_hashes} names to hash")

    def spend_query(self) -> None:
        """One query is going to be sent."""
        self._queries += 1
        if self._queries > self.limits.queries:
            raise QueryLimitExceededError(f"more than {self.limits.queries} queries to send")


ResultT = TypeVar("ResultT")


class ValidationBackend(Protocol):
    """Asks, and has work done, for the validation of one answer."""

    async def fetch(self, name: bytes, rdtype: int) -> Answer:
        """The records, with their signatures and unvalidated (DO and CD). Raises UpstreamError."""

    def discard(self, name: bytes, rdtype: int) -> None:
        """The answer to this question is bogus: it has to be queried again next time."""

    async def run(self, work: Callable[[], ResultT]) -> ResultT:
        """The result of *work*, done where it delays no other query. Raises OverloadedError."""

    async def coalesce(self, name: bytes, find: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """What *find* gives or raises; done once for all who want it of *name* at a time, and of the same Zones."""
