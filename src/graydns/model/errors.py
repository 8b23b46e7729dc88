"""Every error that graydns raises on purpose.

::

    GraydnsError
    ├── ConfigError        one or more Faults in what a user wrote
    ├── ControlError       an operator asked for something that is wrong or cannot be
    ├── Unanswerable       bytes from a client that end before the pipeline
    ├── Unreadable         what Consul said is not understood
    ├── NotYetKnown        the catalog has to be asked first
    └── ResolveError       a link cannot answer; the pipeline turns it into an rcode and an EDE
        ├── UpstreamError      nobody behind us answered usefully
        └── Overloaded         a limit of ours was reached

NXDOMAIN and NODATA are Answers, never exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import field, frozen

from graydns.model.text import printable

if TYPE_CHECKING:
    from graydns.model.proof import Proof

#: Where in a file's tree a value stands: mapping keys and list indexes, outermost first.
Path = tuple[str | int, ...]

#: Faults of a load that are told; of further ones the number.
MOST_FAULTS = 1000

#: Characters of a path, and of what was found, that are told.
_LONGEST = 400


class GraydnsError(Exception):
    """The root of all errors raised on purpose."""


@frozen
class Fault:
    """One thing that is wrong in what a user wrote.

    *line* and *column* count from 1; 0 means "not known yet": whoever knows the marks of the
    file (``config``) fills them in from *path*. As text it is one line, whatever the file's keys are made of.
    """

    path: Path
    found: str
    expected: str
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        dotted = _cut(".".join(str(part) for part in self.path))
        return printable(f"{where}: {dotted or 'document'}: found {_cut(self.found)}, expected {self.expected}")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class ConfigError(GraydnsError):
    """All faults of one load, reported at once: the first MOST_FAULTS of them, and how many more there are."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        more = len(faults) - MOST_FAULTS
        if more > 1:  # one more is what this made before
            last = faults[MOST_FAULTS - 1]
            rest = Fault((), f"{more} more faults", "none", last.file, last.line)
            faults = (*faults[:MOST_FAULTS], rest)
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class ControlError(GraydnsError):
    """What an operator asked for is wrong or cannot be; the text tells the operator why."""


class Unanswerable(GraydnsError):
    """Bytes that get their reply (or silence, ``reply=None``) without reaching the pipeline."""

    def __init__(self, reply: bytes | None, why: str) -> None:
        super().__init__(why)
        self.reply = reply


class Unreadable(GraydnsError):
    """What Consul's HTTP interface said has not the form that it should have; nothing of it is taken."""


@frozen
class NotYetKnown(GraydnsError):
    """The answer needs a *kind* (``service`` or ``node``) of the catalog of which nothing has been heard yet."""

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
    proof: Proof | None = field(default=None, kw_only=True)
    since: float | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        return self.text


@frozen
class UpstreamError(ResolveError):
    """No upstream gave a usable answer within the deadline."""

    ede: int = field(default=22, kw_only=True)


@frozen
class Overloaded(ResolveError):
    """A limit of graydns (in flight, per source, per tenant) was reached."""

    ede: int = field(default=0, kw_only=True)
