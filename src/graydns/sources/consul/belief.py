"""Belief: whether what has vanished from Consul is really gone.

What goes has a higher index than what was there. A lower one is that of a Consul that was restored or has begun anew;
the same one is that of a list from which we are not shown everything any more. Then the token must have the rights it
had, and the leader has to say the same. A list of which Consul says that a part is withheld tells of no absence, but
where it did so before, too: then what goes is judged as all else.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.model.catalog import ServiceView, View
from graydns.model.errors import ConsulReplyError
from graydns.sources.consul.kept import Kept, is_there
from txconsul import Consul, Reply
from txconsul.errors import ConsulError, Refused

#: What Consul says to questions about tokens where ACLs are disabled.
_NO_ACL = 401


@define(eq=False)
class Belief:
    """*guarded*: whether requests carry a token, which may lose its rights. *read*: reads a Reply; raises
    Unreadable."""

    consul: Consul = field(repr=False)
    guarded: bool
    read: Callable[[Kept, Reply], Coroutine[Deferred[Any], Any, View]] = field(repr=False)
    _rights: list[Any] | None = field(init=False, default=None, repr=False)
    _noted: bool = field(init=False, default=False)
    _noting: bool = field(init=False, default=False)

    async def is_gone(self, kept: Kept, reply: Reply, names: frozenset[str] = frozenset()) -> bool:
        """Whether Consul is in a state to know that *kept*, or if there are *names* those instances of it, of which
        *reply* says so, are not there any more."""
        if reply.filtered and not (names and kept.filtered):
            return False
        if kept.doubted or (reply.index or 0) <= kept.before:
            return False
        try:
            if self.guarded and not await self._has_rights():
                return False
            again = await self.consul.request("GET", kept.path, parse=False)
            view = await self.read(kept, again)
        except (ConsulError, ConsulReplyError):
            return False
        return (again.index or 0) >= (reply.index or 0) and not (names & _names(view) if names else is_there(view))

    async def completed(self, kept: Kept, view: View, reply: Reply) -> View:
        """*view*, which *reply* tells of *kept*, with the instances that it may lack only as they are withheld."""
        before = kept.view
        if not reply.filtered or not isinstance(view, ServiceView) or not isinstance(before, ServiceView):
            kept.filtered, kept.hidden = bool(reply.filtered), frozenset()
            return view
        missing = _names(before) - _names(view)
        fresh = missing - kept.hidden
        if not fresh or await self.is_gone(kept, reply, fresh):
            missing &= kept.hidden
        kept.filtered, kept.hidden = True, missing
        return _joined(view, before, missing) if missing else view

    async def note_rights(self) -> None:
        """Note what the token may do, unless that is known."""
        if not self.guarded or self._noted or self._noting:
            return
        self._noting = True
        try:
            with suppress(ConsulError, ConsulReplyError):
                await self._has_rights()
                self._noted = True
        finally:
            self._noting = False

    async def _has_rights(self) -> bool:
        """Whether the token is what it was when this was asked for the first time. Raises ConsulError,
        ConsulReplyError."""
        try:
            token = (await self.consul.request("GET", "acl/token/self")).json
        except Refused as error:
            if error.reply.status == _NO_ACL:
                return True  # nobody needs rights, so nobody is shown less for want of them
            raise
        if not isinstance(token, dict):
            raise ConsulReplyError(f"a token: found {type(token).__name__}, expected an object")
        rights = [token.get(part) for part in ("Policies", "Roles", "ServiceIdentities")]
        if self._rights is None:
            self._rights = rights
        return rights == self._rights


def _names(view: View) -> frozenset[str]:
    return frozenset(one.name for one in view.instances) if isinstance(view, ServiceView) else frozenset()


def _joined(view: ServiceView, before: ServiceView, names: frozenset[str]) -> ServiceView:
    """*view* with those instances of *before* that *names* has; *before* itself, if that is the same."""
    kept = [one for one in before.instances if one.name in names]
    instances = tuple(sorted((*view.instances, *kept), key=lambda one: (one.node, one.id)))
    return before if instances == before.instances else ServiceView(view.name, instances)
