"""Every error that txconsul raises on purpose.

::

    ConsulError
    ├── Unreachable        no connection, or it was lost before the whole answer was here
    │   └── TimedOut       no whole answer in time
    ├── TokenUnreadable    the token's file cannot be read, and no token is known from before
    ├── Crowded            too many queries are held already
    ├── Closed             the Consul object was closed
    ├── Garbled            an answer that is none: not JSON, or without what it must have
    └── Answered           Consul answered, with an error; `reply` is its answer
        ├── Failing        5xx
        │   └── NoLeader   5xx as the servers have no leader, or cannot reach him
        ├── Denied         403: the token is unknown or lacks a right
        ├── NotFound       404
        └── Refused        any other status that is not 2xx

A list that is empty since the token lacks a right is no error: Consul filters lists and answers 200, or 404 in KV.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from txconsul.reply import Reply

#: Characters of Consul's own words that are told.
_LONGEST = 400

#: What servers and agents say while there is no leader, or none that can be reached.
_LEADERLESS = re.compile(
    r"No cluster leader|rpc error getting client|leadership lost|not the leader|lead thread didn't get connection"
    r"|No known Consul servers|rpc error making call: (EOF|.*(refused|reset|timeout|broken pipe))"
)


class ConsulError(Exception):
    """The root of all errors raised on purpose."""


class Unreachable(ConsulError):
    """No connection, or it was lost before the whole answer was here."""


class TimedOut(Unreachable):
    """No whole answer in time."""


class TokenUnreadable(ConsulError):
    """The token's file cannot be read, and no token is known from before."""


class Crowded(ConsulError):
    """As many queries are held as may be."""


class Closed(ConsulError):
    """The Consul object was closed."""


class Garbled(ConsulError):
    """An answer that is none."""


class Answered(ConsulError):
    """Consul answered, with an error; its words are the text."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.body[:_LONGEST].decode(errors='replace').strip()}".strip())
        self.reply = reply


class Failing(Answered):
    """A status of 500 or more."""


class NoLeader(Failing):
    """The servers have no leader, or the agent cannot reach him."""


class Denied(Answered):
    """403: the token is unknown, or lacks a right. Tokens come back, so it is worth to try again."""


class NotFound(Answered):
    """404: there is no such thing."""


class Refused(Answered):
    """Any other status that is not 2xx."""


def error_of(reply: Reply) -> Answered | None:
    """The error that *reply* is, None if it is none."""
    if reply.status < 300:
        return None
    if reply.status >= 500:
        leaderless = _LEADERLESS.search(reply.body[:_LONGEST].decode(errors="replace"))
        return NoLeader(reply) if leaderless else Failing(reply)
    return {403: Denied, 404: NotFound}.get(reply.status, Refused)(reply)
