"""Control and AuditSink: what the admin interface needs of the server.

Everything in and out is plain: None, bool, int, float, str, and lists and dicts of such.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from graydns.model.transport import UDP

#: A plain value whose shape docs/admin.md tells.
PlainValue: TypeAlias = Any
PlainObject: TypeAlias = dict[str, PlainValue]


class ControlInterface(Protocol):
    """All that an operator can see and do.

    Every method raises ControlError for what is wrong or refused. Methods that change something take the *actor*,
    are done for good (on the disk) when they return, and give ``before`` and ``after``.
    """

    def status(self) -> PlainObject:
        """What runs, how long, and where it departs from the files."""

    def config_effective(self) -> PlainObject:
        """The configuration as it was read, with defaults."""

    def zones(self, tenant: str | None = None) -> list[PlainObject]:
        """Every zone, or those of *tenant*."""

    async def reload(self, actor: str, force: bool = False, prune: str | None = None) -> PlainObject:
        """Take up the files as they now are."""

    def history(self) -> list[PlainObject]:
        """The last snapshots."""

    async def rollback(self, number: int, actor: str) -> PlainObject:
        """Go back to snapshot *number*."""

    async def explain(
        self,
        name: str,
        rdtype: str,
        source: str | None = None,
        subnet: str | None = None,
        client: str | None = None,
        tags: dict[str, str] | None = None,
        transport: str = UDP.name,
        tenant: str | None = None,
    ) -> PlainObject:
        """Why a client would get what it would get."""

    def services(self, tenant: str | None = None) -> list[PlainObject]:
        """Every service, or those of *tenant*."""

    def service_show(self, name: str) -> PlainObject:
        """One service as the file has it and as it is, and what it served."""

    async def service_percent(
        self, name: str, percent: dict[str, str], actor: str, seconds: float | None = None, local: bool = False
    ) -> PlainObject:
        """Give versions shares of the clients, for *seconds* or until reverted; *local*: on this node only."""

    async def service_weights(
        self, name: str, weights: dict[str, int], actor: str, seconds: float | None = None, local: bool = False
    ) -> PlainObject:
        """Give versions shares in proportion."""

    async def service_whitelist(
        self,
        name: str,
        version: str,
        add: list[str],
        remove: list[str],
        actor: str,
        seconds: float | None = None,
        local: bool = False,
    ) -> PlainObject:
        """Change who always gets *version*."""

    async def service_abort(self, name: str, actor: str, local: bool = False) -> PlainObject:
        """Send everybody to the default version; *local*: on this node only."""

    async def service_revert(self, name: str, actor: str, local: bool = False, policy: bool = False) -> PlainObject:
        """Drop what was changed live; the file counts again. *local*: on this node only. *policy*: drop what the policy
        says of it instead.
        """

    async def policy_list(self) -> list[PlainObject]:
        """The last revisions that Consul's KV has."""

    async def policy_show(self, revision: int | None = None) -> PlainObject:
        """One revision, None = the active one, as it can be pushed."""

    async def policy_draft(
        self,
        name: str,
        actor: str,
        percent: dict[str, str] | None = None,
        weights: dict[str, int] | None = None,
        whitelist: dict[str, list[str]] | None = None,
        version: str = "",
    ) -> PlainObject:
        """The next revision, with a service changed, to be signed: ``base``, of which it is made, and ``revision``.

        *whitelist*: what to ``add`` to that of *version* and what to ``remove``. No change: it says nothing of the
        service any more.
        """

    async def policy_name(self, text: str) -> PlainObject:
        """What tells the revision that *text* is from others: ``revision``, ``tenant`` and ``digest``."""

    async def policy_push(self, text: str, actor: str, activate: bool = True, base: int | None = None) -> PlainObject:
        """Publish a revision, JSON as ``policy sign`` prints it, and with *activate* let it count; with *base* only
        while that one is active, 0 = none.
        """

    async def policy_activate(self, revision: int, actor: str) -> PlainObject:
        """Let a revision count that is there."""

    async def policy_reset(self, revision: int, actor: str) -> PlainObject:
        """Let *revision* be the highest that was accepted here."""

    async def gray_off(self, tenant: str | None, actor: str, local: bool = False) -> PlainObject:
        """Send all services, or those of *tenant*, to their defaults; *local*: on this node only."""

    async def gray_on(self, tenant: str | None, actor: str, local: bool = False) -> PlainObject:
        """Undo :meth:`gray_off`."""

    def cache_stats(self) -> PlainObject:
        """How full the caches are and how often they helped."""

    def cache_lookup(self, name: str, rdtype: str) -> list[PlainObject] | PlainObject:
        """What the caches hold for a question."""

    async def cache_flush(
        self, name: str | None = None, cohort: str | None = None, tenant: str | None = None, *, actor: str
    ) -> PlainObject:
        """Forget cached answers."""

    def nta_list(self) -> list[PlainObject]:
        """The negative trust anchors."""

    async def nta_add(self, name: str, seconds: float, reason: str, actor: str) -> PlainObject:
        """Let *name* and all below it count as unsigned for *seconds*."""

    async def nta_remove(self, name: str, actor: str) -> PlainObject:
        """Undo :meth:`nta_add`."""

    async def dnssec_explain(self, name: str, rdtype: str, tenant: str | None = None, cd: bool = False) -> PlainObject:
        """What an upstream's answer to a question is worth, step by step; with *cd* also what it is."""

    def upstreams(self) -> list[PlainObject]:
        """Every upstream server and its state."""

    def why(self, client: str, tenant: str | None = None) -> list[PlainObject]:
        """The last answers that one client got, and why."""

    def trace_watch(self, name: str, on: bool) -> PlainObject:
        """Begin or end keeping the stages of queries for *name*."""

    def trace(self, name: str, last: int = 20) -> list[PlainObject]:
        """The last kept queries for *name*."""

    def log_level(self, level: str, actor: str) -> PlainObject:
        """Log from *level* up."""

    def audit_tail(self, last: int = 50, tenant: str | None = None) -> list[PlainObject]:
        """The last changes. Called in a thread."""

    def audit_verify(self) -> PlainObject:
        """Whether nobody changed the audit log. Called in a thread."""


class AuditSink(Protocol):
    """Where changes are written down."""

    def write(
        self,
        actor: str,
        action: str,
        target: str,
        before: PlainValue,
        after: PlainValue,
        origin: str,
        tenant: str | None,
    ) -> None:
        """Add one line, on the disk when this returns; raises OSError if that cannot be. Called in a thread."""
