"""What is told of the feed: to operators, and as metrics."""

from __future__ import annotations

from attrs import frozen


@frozen
class FeedFigures:
    """*known*: services and nodes; *watches*: those of them with a watch of their own; *shared*: those without.

    *age*: seconds since Consul last confirmed what has been waiting longest for that. *stale*: how many are so old that
    their answers say so. *doubted*: how many have vanished, or lost instances, in a way that is not believed. *unread*:
    instances that are left out as what Consul says of them is not understood. *errors*: so far. *last_error*: the last
    of them, None = there was none.
    """

    known: int
    watches: int
    shared: int
    age: float
    stale: int
    doubted: int
    unread: int
    errors: int
    last_error: str | None
