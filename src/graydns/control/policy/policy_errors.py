"""Why a revision is not taken.

::

    PolicyError            ``reason``: a word for metrics; the text is for people
    ├── NoActiveRevisionError     no revision is active
    ├── MalformedRevisionError    a value is not JSON, or ``active`` no number
    ├── IncompleteRevisionError   keys are missing
    ├── InvalidRevisionError      a value is not what the schema allows
    ├── UnsignedRevisionError     there is no signature
    ├── UnknownKeyError           it was signed with a key that is not configured
    ├── BadSignatureError         the signature does not match
    ├── WrongScopeError           it is for another prefix, datacenter, tenant or revision
    ├── NotYetValidError          its window has not begun
    ├── RevisionExpiredError      its window has ended
    ├── BelowMinRevisionError     its number is below ``min_revision``
    ├── RevisionRollbackError     a higher one was accepted before
    ├── RevisionAlteredError      the same number was accepted before with other contents
    ├── HighWaterMarkLostError    the highest accepted revision is unknown
    └── RevisionNotStoredError    it cannot be written to the disk
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from graydns.config.release_policy import format_timestamp
from graydns.model.errors import ConfigError, ConfigIssue, GraydnsError


class PolicyError(GraydnsError):
    """The root of them; *reason*: the same word for all of a kind."""

    reason: ClassVar[str] = "refused"


@frozen
class NoActiveRevisionError(PolicyError):
    """*key*: what would name a revision."""

    key: str
    reason: ClassVar[str] = "absent"

    def __str__(self) -> str:
        return f"{self.key} is not there: no revision is active"


@frozen
class _PolicyIssuesError(PolicyError):
    """*faults*: each names its key in KV as its file, and its path in that key's JSON."""

    faults: tuple[ConfigIssue, ...]

    def __str__(self) -> str:
        return str(ConfigError(self.faults))  # which bounds their number


@frozen
class MalformedRevisionError(_PolicyIssuesError):
    """What cannot be read at all."""

    reason: ClassVar[str] = "malformed"


@frozen
class InvalidRevisionError(_PolicyIssuesError):
    """What can be read, and does not fit the schema or the services that there are."""

    reason: ClassVar[str] = "invalid"


@frozen
class IncompleteRevisionError(PolicyError):
    """*missing*: keys that *revision* has not."""

    revision: int
    missing: tuple[str, ...]
    reason: ClassVar[str] = "incomplete"

    def __str__(self) -> str:
        return f"revision {self.revision} is incomplete: there is no {', no '.join(self.missing)}"


@frozen
class UnsignedRevisionError(PolicyError):
    """*key*: where the signature would be."""

    revision: int
    key: str
    reason: ClassVar[str] = "unsigned"

    def __str__(self) -> str:
        return f"revision {self.revision} is not signed: there is no {self.key}"


@frozen
class UnknownKeyError(PolicyError):
    """*key*: the id that the signature names; *known*: those of the configuration."""

    revision: int
    key: str
    known: tuple[str, ...]
    reason: ClassVar[str] = "unknown-key"

    def __str__(self) -> str:
        return f"revision {self.revision} is signed with the key {self.key!r}; known are {', '.join(self.known)}"


@frozen
class BadSignatureError(PolicyError):
    """*key*: the id of the key that did not make this signature."""

    revision: int
    key: str
    reason: ClassVar[str] = "bad-signature"

    def __str__(self) -> str:
        return f"the signature of revision {self.revision} is not one of the key {self.key!r} over what is there"


@frozen
class WrongScopeError(PolicyError):
    """*what*: prefix, datacenter, tenant or revision; *found* is not *expected*."""

    revision: int
    what: str
    found: str
    expected: str
    reason: ClassVar[str] = "elsewhere"

    def __str__(self) -> str:
        return f"revision {self.revision} is for the {self.what} {self.found!r}, not {self.expected!r}"


@frozen
class NotYetValidError(PolicyError):
    """*start*: Unix seconds."""

    revision: int
    start: int
    reason: ClassVar[str] = "not-yet-valid"

    def __str__(self) -> str:
        return f"revision {self.revision} is valid from {format_timestamp(self.start)} on"


@frozen
class RevisionExpiredError(PolicyError):
    """*end*: Unix seconds."""

    revision: int
    end: int
    reason: ClassVar[str] = "expired"

    def __str__(self) -> str:
        return f"revision {self.revision} was valid until {format_timestamp(self.end)}"


@frozen
class BelowMinRevisionError(PolicyError):
    """*min_revision*: the lowest number that is accepted."""

    revision: int
    min_revision: int
    reason: ClassVar[str] = "below-least"

    def __str__(self) -> str:
        return f"revision {self.revision} is below {self.min_revision}, the least that the configuration takes"


@frozen
class RevisionRollbackError(PolicyError):
    """*highest*: the highest that was ever accepted."""

    revision: int
    highest: int
    reason: ClassVar[str] = "lower"

    def __str__(self) -> str:
        return (
            f"revision {self.revision} is lower than {self.highest}, which was accepted before; to go back, "
            "publish its contents under a higher number (policy rollback)"
        )


@frozen
class RevisionAlteredError(PolicyError):
    """The same number with other contents."""

    revision: int
    reason: ClassVar[str] = "altered"

    def __str__(self) -> str:
        return f"revision {self.revision} is not the one that was accepted under this number"


@frozen
class HighWaterMarkLostError(PolicyError):
    """*why*: what is wrong with the file."""

    revision: int
    why: str
    reason: ClassVar[str] = "mark-lost"

    def __str__(self) -> str:
        return (
            f"revision {self.revision} is not taken, as the highest one that was accepted is not known ({self.why}); "
            "policy high-water reset says from which on"
        )


@frozen
class RevisionNotStoredError(PolicyError):
    """*why*: what the disk says."""

    revision: int
    why: str
    reason: ClassVar[str] = "not-kept"

    def __str__(self) -> str:
        return f"revision {self.revision} is not taken, as it cannot be kept: {self.why}"
