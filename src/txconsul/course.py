"""What a watch asks for next: Consul's rules for blocking queries, and what was measured beyond them. No I/O."""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import blake2b

from attrs import define, field

from txconsul.reply import Reply


@define
class Course:
    """The *index* to go on from; None = ask without one, which is answered at once.

    An index that is ahead of Consul's is not noticed there: the query sleeps out its whole wait, whatever changes. So
    whenever there may be another Consul than before, or another state in it, the next query has none: after any error,
    when the index went backwards, and when a held query came back early with the index that it was sent with (the
    agent is being stopped, or a snapshot was restored).
    """

    index: int | None = field(default=None, init=False)
    _told: Hashable = field(default=None, init=False)

    def took(self, reply: Reply, index: int, early: bool) -> bool:
        """Whether *reply*, with *index*, has other data than the last one; *early*: it came before the wait was up."""
        before = self.index
        lost = before is not None and (index < before or (index == before and early))
        self.index = None if lost else max(1, index)
        told = (reply.status, reply.filtered, blake2b(reply.body, digest_size=16).digest())
        changed, self._told = told != self._told, told
        return changed

    def lost(self) -> None:
        """An error: nothing is known of who answers next. The data that was told stays told."""
        self.index = None
