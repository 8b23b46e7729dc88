"""ReplyProcessor: parses replies on services and nodes, and decides whether what is missing is gone.

Belief: whether what has vanished from Consul is really gone.

What goes has a higher index than what was there. A lower one is that of a Consul that was restored or has begun
anew; the same one is that of a list from which we are not shown everything any more. Then the token must have the
rights it had, and the leader has to say the same. A list of which Consul says that a part is withheld tells of no
absence, but where it did so before, too: then what goes is judged as all else.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from graydns.model.catalog import CatalogView, ServiceView
from graydns.model.errors import ConsulReplyError, ResolveError, printable
from graydns.runtime.slices import run_in_slices
from graydns.runtime.steps import run_steps
from graydns.runtime.timing import Clock, sleep
from graydns.sources.consul.catalog_file import CatalogEntry, is_registered
from graydns.sources.consul.catalog_parser import MAX_INLINE_PARSE_BYTES
from txconsul import ConsulClient, ConsulReply
from txconsul.reply import ConsulError, RequestRefusedError

#: Info code of RFC 8914: No Reachable Authority.
NO_REACHABLE_AUTHORITY = 22


@define(eq=False)
class ReplyProcessor:
    """*has_token*: whether requests carry a token, which may lose its rights. *on_view*: called with accepted
    views."""

    consul: ConsulClient = field(repr=False)
    clock: Clock = field(repr=False)
    has_token: bool
    on_view: Callable[[CatalogEntry, CatalogView], None] = field(repr=False)
    absence_verifier: AbsenceVerifier = field(init=False, repr=False)

    _log = Logger()

    @absence_verifier.default
    def _make_verifier(self) -> Any:
        return AbsenceVerifier(self.consul, self.has_token, self.read)

    async def process(self, kept: CatalogEntry, reply: ConsulReply) -> None:
        """Process *reply*, which is about *kept*."""
        told = None if kept.watch is not None else (hash(reply.body), reply.filtered)
        if told is not None and kept.body_fingerprint == told:
            kept.unconfirmed = False
            return
        try:
            view = await self.read(kept, reply)
        except ConsulReplyError:
            if kept.view is None:
                kept.notify_waiters(
                    ResolveError("what Consul says of it is not understood", ede=NO_REACHABLE_AUTHORITY)
                )
            return
        before, unseen = kept.view, kept.is_partly_unconfirmed
        if is_registered(view):
            kept.unconfirmed = False
            view = await self.absence_verifier.restore_withheld(kept, view, reply)
        elif (
            before is not None
            and is_registered(before)
            and not await self.absence_verifier.is_confirmed_gone(kept, reply)
        ):
            kept.unconfirmed = True
        if kept.is_partly_unconfirmed and not unseen:
            name, part = printable(kept.key[1]), "" if kept.unconfirmed else "a part of "
            self._log.warn("{part}{name} has vanished from a Consul that may not know it; kept", part=part, name=name)
        if not kept.unconfirmed and kept.index == (reply.index or 0):  # else another reply came meanwhile
            kept.body_fingerprint = told
            self.on_view(kept, view)

    async def read(self, kept: CatalogEntry, reply: ConsulReply) -> CatalogView:
        """What *reply* says of *kept*; of megabytes in slices. Raises ConsulReplyError."""
        left_out: list[str] = []
        steps = kept.read_steps(reply, left_out.append)
        try:
            if len(reply.body) <= MAX_INLINE_PARSE_BYTES:
                view = run_steps(steps)
            else:
                await sleep(self.clock, 0)  # it has just been put together, and that takes long as well
                view = await run_in_slices(self.clock, steps)
        except ConsulReplyError as error:
            self._note_unread(kept, max(1, len(left_out)), str(error))
            raise
        self._note_unread(kept, len(left_out), left_out[0] if left_out else "")
        return view

    def _note_unread(self, kept: CatalogEntry, count: int, why: str) -> None:
        """Note that so many instances are left out; in the log once, until all are understood again."""
        if count and not kept.unreadable_count:
            said = printable(f"{count} instances of {kept.key[1]}, the first: {why}")
            self._log.warn("what Consul says is not understood and left out: {said}", said=said)
        kept.unreadable_count = count


#: What Consul says to questions about tokens where ACLs are disabled.
_STATUS_ACL_DISABLED = 401


@define(eq=False)
class AbsenceVerifier:
    """*has_token*: whether requests carry a token, which may lose its rights. *read*: reads a ConsulReply; raises
    ConsulReplyError."""

    consul: ConsulClient = field(repr=False)
    has_token: bool
    read: Callable[[CatalogEntry, ConsulReply], Coroutine[Deferred[Any], Any, CatalogView]] = field(repr=False)
    _rights: list[Any] | None = field(init=False, default=None, repr=False)
    _is_recorded: bool = field(init=False, default=False)
    _is_recording: bool = field(init=False, default=False)

    async def is_confirmed_gone(
        self, kept: CatalogEntry, reply: ConsulReply, names: frozenset[str] = frozenset()
    ) -> bool:
        """Whether Consul is in a state to know that *kept*, or if there are *names* those instances of it, of which
        *reply* says so, are not there any more."""
        if reply.filtered and not (names and kept.filtered):
            return False
        if kept.unconfirmed or (reply.index or 0) <= kept.previous_index:
            return False
        try:
            if self.has_token and not await self._has_recorded_rights():
                return False
            again = await self.consul.request("GET", kept.path, parse=False)
            view = await self.read(kept, again)
        except (ConsulError, ConsulReplyError):
            return False
        return (again.index or 0) >= (reply.index or 0) and not (
            names & _instance_ids(view) if names else is_registered(view)
        )

    async def restore_withheld(self, kept: CatalogEntry, view: CatalogView, reply: ConsulReply) -> CatalogView:
        """*view*, which *reply* tells of *kept*, with the instances that it may lack only as they are withheld."""
        before = kept.view
        if not reply.filtered or not isinstance(view, ServiceView) or not isinstance(before, ServiceView):
            kept.filtered, kept.withheld_ids = bool(reply.filtered), frozenset()
            return view
        missing = _instance_ids(before) - _instance_ids(view)
        fresh = missing - kept.withheld_ids
        if not fresh or await self.is_confirmed_gone(kept, reply, fresh):
            missing &= kept.withheld_ids
        kept.filtered, kept.withheld_ids = True, missing
        return _restore_instances(view, before, missing) if missing else view

    async def record_rights(self) -> None:
        """Note what the token may do, unless that is known."""
        if not self.has_token or self._is_recorded or self._is_recording:
            return
        self._is_recording = True
        try:
            with suppress(ConsulError, ConsulReplyError):
                await self._has_recorded_rights()
                self._is_recorded = True
        finally:
            self._is_recording = False

    async def _has_recorded_rights(self) -> bool:
        """Whether the token is what it was when this was asked for the first time. Raises ConsulError,
        ConsulReplyError."""
        try:
            token = (await self.consul.request("GET", "acl/token/self")).json
        except RequestRefusedError as error:
            if error.reply.status == _STATUS_ACL_DISABLED:
                return True  # no rights are needed, so none can be missing
            raise
        if not isinstance(token, dict):
            raise ConsulReplyError(f"a token: found {type(token).__name__}, expected an object")
        rights = [token.get(part) for part in ("Policies", "Roles", "ServiceIdentities")]
        if self._rights is None:
            self._rights = rights
        return rights == self._rights


def _instance_ids(view: CatalogView) -> frozenset[str]:
    return frozenset(one.qualified_id for one in view.instances) if isinstance(view, ServiceView) else frozenset()


def _restore_instances(view: ServiceView, before: ServiceView, names: frozenset[str]) -> ServiceView:
    """*view* with those instances of *before* that *names* has; *before* itself, if that is the same."""
    kept = [one for one in before.instances if one.qualified_id in names]
    instances = tuple(sorted((*view.instances, *kept), key=lambda one: (one.node, one.id)))
    return before if instances == before.instances else ServiceView(view.name, instances)
