"""Replies: an Answer made into octets for one asker, within his limits and with the options he asked for.

Hot answers leave without this; it serves all others.
"""

from __future__ import annotations

from attrs import frozen

from graydns.fast.cookies import reply_option
from graydns.fast.peer import Peer
from graydns.model.answer import Answer, Ede
from graydns.model.decision import Decision
from graydns.model.query import TLS, UDP, Edns, Query
from graydns.wire import edns
from graydns.wire.render import render

#: RFC 8467 section 4.1: responses are padded to multiples of this.
PADDING_BLOCK = 468

#: What queries over a tenant's quota are told.
TOO_MUCH = Answer(
    rcode=5,
    edes=(Ede(0, "over the tenant's limit of queries"),),
    scope=0,
    why="over the tenant's limit of queries",
    shareable=False,
)


@frozen
class ReplySettings:
    """What every reply needs to know. *payload*: octets over UDP, sent and advertised; *idle*: seconds a quiet TCP
    connection is kept; *nsid*: None to stay silent about it; *cookie_secrets*: the first makes cookies."""

    payload: int = 1232
    nsid: bytes | None = None
    idle: float = 8.0
    cookie_secrets: tuple[bytes, ...] = ()

    def reply(
        self, query: Query, peer: Peer, answer: Answer, decision: Decision | None, now: float, wall: float
    ) -> bytes:
        """The whole reply. *now*: monotonic seconds; *wall*: Unix seconds."""
        asked = query.edns
        limit = peer.limit or (512 if asked is None else min(asked.payload, self.payload))
        scope = answer.scope if answer.scope is not None else decision.scope(query.client) if decision else 0
        return render(
            query,
            answer,
            now=now,
            limit=limit,
            options=b"" if asked is None else self._options(asked, peer, wall),
            payload=self.payload,
            recursion_available=peer.may_forward,
            scope=0 if query.client.subnet is None else min(scope, query.client.subnet.prefix),
            pad=PADDING_BLOCK if asked is not None and asked.padding and peer.transport == TLS else 0,
        )

    def _options(self, asked: Edns, peer: Peer, wall: float) -> bytes:
        """The options of a reply that depend on the asker alone."""
        options = b""
        if asked.cookie is not None and self.cookie_secrets:
            options = reply_option(self.cookie_secrets, asked.cookie, peer.source, wall)
        if asked.nsid and self.nsid is not None:
            options += edns.option(edns.NSID, self.nsid)
        if asked.keepalive and peer.transport != UDP:
            options += edns.option(edns.KEEPALIVE, int(self.idle * 10).to_bytes(2, "big"))
        return options
