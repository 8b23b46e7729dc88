"""UpstreamGroup: the servers that answer for some suffix or rule, and what they may be told."""

from __future__ import annotations

from attrs import Factory, field, frozen

from graydns.upstream.server import Server

#: Seconds: what contracts promise for ``deadline`` unless configured otherwise.
DEADLINE = 0.5


def _label(group: UpstreamGroup) -> str:
    return f"upstream {group.name}"


@frozen(cache_hash=True)
class UpstreamGroup:
    """Servers in order of preference; the origin of every answer they give.

    Groups with equal settings are equal, so a reload that changes nothing about a group keeps its answers.

    *deadline*: seconds for a question in all, whatever is tried meanwhile. *ecs*, *tags*: whether the client's subnet
    (RFC 7871) and tags (option 65001) are passed on to these servers. *max_ttl*, *negative_ttl*: seconds that an answer
    or a negative one of theirs is believed at most. *label*: the ``why`` of those answers. *identity*: all
    of that in one text, for keys, because a text remembers its hash.
    """

    name: str
    servers: tuple[Server, ...]
    deadline: float = DEADLINE
    ecs: bool = False
    tags: bool = False
    max_ttl: int = field(default=86400, kw_only=True)
    negative_ttl: int = field(default=3600, kw_only=True)
    label: str = field(init=False, repr=False, eq=False, default=Factory(_label, takes_self=True))
    identity: str = field(init=False, repr=False, eq=False, default=Factory(repr, takes_self=True))
