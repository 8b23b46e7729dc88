"""Taking: what a Reply says of a service or node, read, and believed or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.logger import Logger

from graydns.model.catalog import View
from graydns.model.errors import ConsulReplyError, ResolveError
from graydns.model.text import printable
from graydns.runtime.slices import run_in_slices, sleep
from graydns.runtime.steps import run_steps
from graydns.runtime.timing import Clock
from graydns.sources.consul.belief import Belief
from graydns.sources.consul.kept import Kept, is_there
from graydns.sources.consul.parsing import LARGE
from txconsul import Consul, Reply

#: Info code of RFC 8914: No Reachable Authority.
NO_REACHABLE_AUTHORITY = 22


@define(eq=False)
class Taking:
    """*guarded*: whether requests carry a token, which may lose its rights. *know*: takes what is believed."""

    consul: Consul = field(repr=False)
    clock: Clock = field(repr=False)
    guarded: bool
    know: Callable[[Kept, View], None] = field(repr=False)
    belief: Belief = field(init=False, repr=False)

    _log = Logger()

    @belief.default
    def _believe(self) -> Any:
        return Belief(self.consul, self.guarded, self.read)

    async def take(self, kept: Kept, reply: Reply) -> None:
        """Take *reply*, which was heard of *kept*."""
        told = None if kept.watch is not None else (hash(reply.body), reply.filtered)
        if told is not None and kept.told == told:
            kept.doubted = False
            return
        try:
            view = await self.read(kept, reply)
        except ConsulReplyError:
            if kept.view is None:
                kept.tell(ResolveError("what Consul says of it is not understood", ede=NO_REACHABLE_AUTHORITY))
            return
        before, unseen = kept.view, kept.is_unseen
        if is_there(view):
            kept.doubted = False
            view = await self.belief.completed(kept, view, reply)
        elif before is not None and is_there(before) and not await self.belief.is_gone(kept, reply):
            kept.doubted = True
        if kept.is_unseen and not unseen:
            name, part = printable(kept.key[1]), "" if kept.doubted else "a part of "
            self._log.warn("{part}{name} has vanished from a Consul that may not know it; kept", part=part, name=name)
        if not kept.doubted and kept.index == (reply.index or 0):  # else another one was heard meanwhile
            kept.told = told
            self.know(kept, view)

    async def read(self, kept: Kept, reply: Reply) -> View:
        """What *reply* says of *kept*; of megabytes in slices. Raises ConsulReplyError."""
        left_out: list[str] = []
        steps = kept.reading(reply, left_out.append)
        try:
            if len(reply.body) <= LARGE:
                view = run_steps(steps)
            else:
                await sleep(self.clock, 0)  # it has just been put together, and that takes long as well
                view = await run_in_slices(self.clock, steps)
        except ConsulReplyError as error:
            self._note_unread(kept, max(1, len(left_out)), str(error))
            raise
        self._note_unread(kept, len(left_out), left_out[0] if left_out else "")
        return view

    def _note_unread(self, kept: Kept, count: int, why: str) -> None:
        """Note that so many instances are left out; in the log once, until all are understood again."""
        if count and not kept.unread:
            said = printable(f"{count} instances of {kept.key[1]}, the first: {why}")
            self._log.warn("what Consul says is not understood and left out: {said}", said=said)
        kept.unread = count
