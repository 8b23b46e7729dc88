"""Parts: what a Control has beside its own files, made elsewhere and handed in; each may be missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from attrs import frozen

from graydns.control.share_changes import ShareChange
from graydns.model.catalog import CatalogFeedFigures
from graydns.model.errors import ControlError

T = TypeVar("T")
Table = dict[str, Any]


class RecentAnswers(Protocol):
    """Knows the last answers of a client."""

    def why(self, client: str, tenant: str | None = None) -> list[Table]:
        """They, newest first; *tenant*: only its own."""


class TraceControl(Protocol):
    """Follows queries of names that are watched."""

    def watch(self, text: str, on: bool) -> Table:
        """Begin or end watching a name."""

    def last(self, text: str, last: int = 20) -> list[Table]:
        """Its last queries."""


class ControlAuditLog(Protocol):
    """Who changed what."""

    def write(
        self, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None
    ) -> None:
        """Add a line; raises OSError. Waits for the disk."""

    def tail(self, last: int, tenant: str | None = None) -> list[Table]:
        """The last lines."""

    def verify(self) -> Table:
        """Whether they are as they were written."""


class PolicyOperations(Protocol):
    """The policies in Consul's KV (``control.policydesk``); every method raises ControlError."""

    def status(self) -> Table:
        """What runs of them, and what was refused."""

    async def list(self) -> list[Table]:
        """The last revisions that KV has."""

    async def show(self, revision: int | None) -> Table:
        """One revision, None = the active one."""

    async def name(self, text: str) -> Table:
        """The ``revision`` that *text* is, its ``tenant`` and its ``digest``."""

    async def push(self, text: str, activate: bool, base: int | None = None) -> Table:
        """Publish a revision, and with *activate* let it count; with *base* only while that one is active, 0 = none."""

    async def change(self, name: str, shift: ShareChange, actor: str, seconds: float | None) -> Table:
        """Change a service on all nodes, by a new revision."""

    async def clear(self, name: str, actor: str) -> Table:
        """Have the policy say nothing of a service, by a new revision."""

    async def draft(self, name: str, shift: ShareChange | None, actor: str) -> Table:
        """The revision that the one or the other would publish (*shift* None: clear), to be signed elsewhere."""

    async def activate(self, number: int) -> Table:
        """Let a revision count that is there."""

    async def reset(self, number: int) -> Table:
        """Let *number* be the highest revision that was accepted here."""


class KillSwitchOperations(Protocol):
    """Keys in Consul's KV that need no signature (``control.halting``); every method raises ControlError."""

    async def abort(self, name: str, actor: str) -> Table:
        """Send everybody to the default version, on all nodes."""

    async def revert(self, name: str, actor: str) -> Table:
        """End that, and what was changed live here."""

    async def switch_off(self, tenant: str | None, actor: str) -> Table:
        """Send all services, or those of *tenant*, to their defaults, on all nodes."""

    async def switch_on(self, tenant: str | None, actor: str) -> Table:
        """End that, here too."""


class CatalogStatus(Protocol):
    """What is followed in Consul (``sources.consul.feed``)."""

    def figures(self) -> CatalogFeedFigures:
        """How much of it, and how old that is."""


@frozen
class ControlObservers:
    """What observes the server, for operators to ask; None = it is not there. *level*: sets the least level logged."""

    why: RecentAnswers | None = None
    traces: TraceControl | None = None
    level: Callable[[str], str] | None = None
    listeners: Callable[[], Sequence[object]] = tuple
    ready: Callable[[], bool] = bool


def require_part(part: T | None, otherwise: str) -> T:
    """*part*, if it is there. Raises ControlError."""
    if part is None:
        raise ControlError(otherwise)
    return part
