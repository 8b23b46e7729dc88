"""Every error that graydns raises on purpose, issues in what a user wrote, and text made safe for terminals.

::

    GraydnsError
    ├── ConfigError            each ConfigIssue in what a user wrote
    ├── ControlError           an operator asked for something that is wrong or cannot be
    ├── UnanswerableError      bytes from a client that end before the pipeline
    ├── ConsulReplyError       Consul sent something that cannot be read
    ├── CatalogPendingError    the catalog has to be asked first
    └── ResolveError           a link cannot answer; the pipeline turns it into an rcode and an EDE
        ├── UpstreamError      no upstream answered usefully
        └── OverloadedError    a limit of graydns was reached

NXDOMAIN and NODATA are Answers, never exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NewType

from attrs import field, frozen

if TYPE_CHECKING:
    from graydns.model.dnssec_values import ValidationStatus


def printable(text: str) -> str:
    r"""*text* in one line, control characters and the like as escapes such as ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


#: Where in a file's tree a value stands: mapping keys and list indexes, outermost first.
IssuePath = tuple[str | int, ...]

#: Names where a zone comes from, in history, state and errors. That of a zone-config.yaml is its path as text.
SourceId = NewType("SourceId", str)

#: Issues of a load that are reported; of further ones, their number is.
MAX_REPORTED_ISSUES = 1000

#: Characters of a path, and of what was found, that are shown.
_MAX_SHOWN_CHARACTERS = 400


class GraydnsError(Exception):
    """The root of all errors raised on purpose."""


@frozen
class ConfigIssue:
    """One thing that is wrong in what a user wrote.

    *line* and *column* count from 1; 0 means "not known yet":
    ``config`` fills them in from *path*. As text it is one line, whatever the file's keys are made of.
    """

    path: IssuePath
    found: str
    expected: str
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        dotted = _truncate(".".join(str(part) for part in self.path))
        return printable(f"{where}: {dotted or 'document'}: found {_truncate(self.found)}, expected {self.expected}")


def _truncate(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}…"


class ConfigError(GraydnsError):
    """All faults of one load, reported at once: the first MAX_REPORTED_ISSUES of them, and how many more there are."""

    def __init__(self, faults: Sequence[ConfigIssue]) -> None:
        more = len(faults) - MAX_REPORTED_ISSUES
        if more > 1:  # one more is what this made before
            last = faults[MAX_REPORTED_ISSUES - 1]
            rest = ConfigIssue((), f"{more} more faults", "none", last.file, last.line)
            faults = (*faults[:MAX_REPORTED_ISSUES], rest)
        super().__init__("\n".join(str(fault) for fault in faults))
        self.issues = tuple(faults)


class ControlError(GraydnsError):
    """What an operator asked for is wrong or cannot be; the text tells the operator why."""


class UnanswerableError(GraydnsError):
    """Bytes that get their reply (or silence, ``reply=None``) without reaching the pipeline."""

    def __init__(self, reply: bytes | None, why: str) -> None:
        super().__init__(why)
        self.reply = reply


class ConsulReplyError(GraydnsError):
    """What Consul's HTTP interface said has not the form that it should have; nothing of it is taken."""


@frozen
class CatalogPendingError(GraydnsError):
    """The answer needs a *kind* (``service`` or ``node``) of the catalog that is not loaded yet."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} is not known yet"


@frozen
class ResolveError(GraydnsError):
    """A link cannot answer; becomes *rcode* with the EDE (*ede*, *text*) (RFC 8914).

    *proof*: what the validator found, if it is because of that. *since*: when it was found (monotonic seconds), if it
    is remembered.
    """

    text: str = "internal failure"
    rcode: int = field(default=2, kw_only=True)
    ede: int = field(default=0, kw_only=True)
    proof: ValidationStatus | None = field(default=None, kw_only=True)
    since: float | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        return self.text


@frozen
class UpstreamError(ResolveError):
    """No upstream gave a usable answer within the deadline."""

    ede: int = field(default=22, kw_only=True)


@frozen
class OverloadedError(ResolveError):
    """A limit of graydns (in flight, per source, per tenant) was reached."""

    ede: int = field(default=0, kw_only=True)


@frozen
class PolicyIssues:
    """A place (*path* in *file*) that faults can be added to; all places of a load share *sink*."""

    sink: list[ConfigIssue]
    file: str = ""
    path: IssuePath = ()

    def under(self, *steps: str | int) -> PolicyIssues:
        """The place *steps* further down."""
        return PolicyIssues(self.sink, self.file, self.path + steps)

    def add(self, found: str, expected: str, *steps: str | int) -> None:
        """Note that *steps* further down *found* stands where *expected* should."""
        self.sink.append(ConfigIssue(self.path + steps, found, expected, file=self.file))
