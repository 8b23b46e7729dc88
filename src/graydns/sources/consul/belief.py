"""Belief: whether what has vanished from Consul is really gone.

What goes has a higher index than what was there. A lower one is that of a Consul that was restored or has begun anew;
the same one is that of a list from which we are not shown everything any more. Then the token must have the rights it
had, and the leader has to say the same.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from attrs import define, field

from graydns.model.errors import Unreadable
from graydns.sources.consul.kept import Kept, is_there
from txconsul import Consul, Reply
from txconsul.errors import ConsulError, Refused

#: What Consul says to questions about tokens where ACLs are disabled.
_NO_ACL = 401


@define(eq=False)
class Belief:
    """*guarded*: whether requests carry a token, which may lose its rights."""

    consul: Consul = field(repr=False)
    guarded: bool
    _rights: list[Any] | None = field(init=False, default=None, repr=False)
    _noted: bool = field(init=False, default=False)
    _noting: bool = field(init=False, default=False)

    async def is_gone(self, kept: Kept, reply: Reply) -> bool:
        """Whether Consul is in a state to know that *kept*, of which *reply* says so, is not there any more."""
        if kept.doubted or reply.filtered or (reply.index or 0) <= kept.before:
            return False
        try:
            if self.guarded and not await self._has_rights():
                return False
            again = await self.consul.request("GET", kept.path)
            return (again.index or 0) >= (reply.index or 0) and not is_there(kept.read(again))
        except (ConsulError, Unreadable):
            return False

    async def note_rights(self) -> None:
        """Note what the token may do, unless that is known."""
        if not self.guarded or self._noted or self._noting:
            return
        self._noting = True
        try:
            with suppress(ConsulError, Unreadable):
                await self._has_rights()
                self._noted = True
        finally:
            self._noting = False

    async def _has_rights(self) -> bool:
        """Whether the token is what it was when this was asked for the first time. Raises ConsulError, Unreadable."""
        try:
            token = (await self.consul.request("GET", "acl/token/self")).json
        except Refused as error:
            if error.reply.status == _NO_ACL:
                return True  # nobody needs rights, so nobody is shown less for want of them
            raise
        if not isinstance(token, dict):
            raise Unreadable(f"a token: found {type(token).__name__}, expected an object")
        rights = [token.get(part) for part in ("Policies", "Roles", "ServiceIdentities")]
        if self._rights is None:
            self._rights = rights
        return rights == self._rights
