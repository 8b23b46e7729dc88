"""Protocols of the parts that control works with and other packages implement; each part may be missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from attrs import frozen

from graydns.control.service_overrides import ShareChange
from graydns.model.catalog import CatalogFeedFigures
from graydns.model.errors import ControlError

T = TypeVar("T")
Table = dict[str, Any]


class RecentAnswers(Protocol):
    """Finds the last answers of a client."""

    def why(self, client: str, tenant: str | None = None) -> list[Table]:
        """The answers, newest first; *tenant*: only those of that tenant."""


class TraceControl(Protocol):
    """Traces queries for names that are watched."""

    def watch(self, text: str, on: bool) -> Table:
        """Start or stop watching a name."""

    def last(self, text: str, last: int = 20) -> list[Table]:
        """The last traces for a name."""


class ControlAuditLog(Protocol):
    """The audit log of changes."""

    def write(
        self, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None
    ) -> None:
        """Add a line. Blocks on the disk; raises OSError."""

    def tail(self, last: int, tenant: str | None = None) -> list[Table]:
        """The last lines."""

    def verify(self) -> Table:
        """Whether the log is as it was written."""


class PolicyOperations(Protocol):
    """Release policies in Consul's KV (``control.policy.revision_commands``); every method raises ControlError."""

    def status(self) -> Table:
        """The revision in force, and what was refused."""

    async def list(self) -> list[Table]:
        """The last revisions in KV."""

    async def show(self, revision: int | None) -> Table:
        """One revision, None = the active one."""

    async def name(self, text: str) -> Table:
        """The ``revision`` number, ``tenant`` and ``digest`` of *text*."""

    async def push(self, text: str, activate: bool, base: int | None = None) -> Table:
        """Publish a revision, and *activate* it; *base*: only while that one is active, 0 = while none is."""

    async def change(self, name: str, share_change: ShareChange, actor: str, seconds: float | None) -> Table:
        """Change a service on all nodes, by a new revision."""

    async def clear(self, name: str, actor: str) -> Table:
        """Remove a service from the policy, by a new revision."""

    async def draft(self, name: str, share_change: ShareChange | None, actor: str) -> Table:
        """The revision that :meth:`change`, or :meth:`clear` (*share_change* None), would publish; not signed."""

    async def activate(self, number: int) -> Table:
        """Activate a revision that is in KV."""

    async def reset(self, number: int) -> Table:
        """Set the highest revision that this node has accepted to *number*."""


class KillSwitchOperations(Protocol):
    """Kill switches in Consul's KV, which need no signature (``control.policy.kill_switch_commands``); every method
    raises ControlError."""

    async def abort(self, name: str, actor: str) -> Table:
        """Restrict a service to its default version, on all nodes."""

    async def revert(self, name: str, actor: str) -> Table:
        """End that, and the live changes of the service on this node."""

    async def switch_off(self, tenant: str | None, actor: str) -> Table:
        """Restrict all services, or those of *tenant*, to their default versions, on all nodes."""

    async def switch_on(self, tenant: str | None, actor: str) -> Table:
        """End that, on this node as well."""


class CatalogStatus(Protocol):
    """What is followed in Consul's catalog (``sources.consul.catalog_feed``)."""

    def figures(self) -> CatalogFeedFigures:
        """How much is followed, and how old it is."""


@frozen
class ControlObservers:
    """What observes the server; None = it is missing. *level*: sets the log level, and returns the one before."""

    why: RecentAnswers | None = None
    traces: TraceControl | None = None
    level: Callable[[str], str] | None = None
    listeners: Callable[[], Sequence[object]] = tuple
    ready: Callable[[], bool] = bool


def require_part(part: T | None, otherwise: str) -> T:
    """*part*. Raises ControlError with the text *otherwise* if it is missing."""
    if part is None:
        raise ControlError(otherwise)
    return part
