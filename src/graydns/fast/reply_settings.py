"""Replies: an Answer rendered for one client, within its limits and with the options it asked for.

Most hot answers are sent without this. DNS cookies (RFC 7873, RFC 9018): the server's secrets on disk, and the option.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from attrs import frozen
from dns.edns import EDECode

from graydns.fast.peer import Peer
from graydns.model.answer import Answer, Ede
from graydns.model.decision import Decision
from graydns.model.dns_parameters import REFUSED
from graydns.model.query import Edns, Query
from graydns.wire import edns
from graydns.wire.edns import COOKIE, encode_option
from graydns.wire.render import render_reply

_SECRET_BYTES = 16


def load_cookie_secrets(path: Path) -> tuple[bytes, ...]:
    """The secrets in *path*, the one to make cookies with first; the file is created (mode 0600) if absent.

    One secret a line, 32 hexadecimal digits. To roll over, put the new one on top and remove the old one an hour
    later; servers behind one address share the file. Raises ValueError for anything else in it, OSError if it cannot be
    read or created.
    """
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_SECRET_BYTES) + "\n")
    lines = path.read_text(encoding="ascii").split()
    found = tuple(bytes.fromhex(line) for line in lines)
    if not found or any(len(secret) != _SECRET_BYTES for secret in found):
        raise ValueError("a line has not 16 octets, or there is none")
    return found


def make_cookie_option(secret_keys: tuple[bytes, ...], sent: bytes, source: bytes, now: float) -> bytes:
    """The COOKIE option for a reply to a client at *source* (packed) that *sent* this cookie, at Unix time *now*.

    A wrong or absent server cookie is no error: the client gets a valid one and its answer (RFC 7873 section 5.2.3).
    So none is checked, and each reply has a new one, which costs less (RFC 9018 section 4.3 allows it).
    """
    return encode_option(COOKIE, edns.make_cookie(secret_keys[0], sent[: edns.CLIENT_COOKIE_BYTES], source, now))


#: RFC 8467 section 4.1: responses are padded to multiples of this.
PADDING_BLOCK_BYTES = 468

#: The answer to queries over a tenant's quota.
OVER_QUOTA_ANSWER = Answer(
    rcode=REFUSED,
    edes=(Ede(EDECode.OTHER, "over the tenant's limit of queries"),),
    ecs_scope=0,
    why="over the tenant's limit of queries",
    shareable=False,
)


@frozen
class ReplySettings:
    """What replies depend on beside the query. *payload*: octets over UDP, sent and advertised; *idle*: seconds that an
    idle TCP connection stays open; *nsid*: None = not sent; *cookie_secrets*: the first makes cookies."""

    payload: int = edns.DEFAULT_UDP_PAYLOAD_BYTES
    nsid: bytes | None = None
    idle: float = 8.0
    cookie_secrets: tuple[bytes, ...] = ()

    def make_reply(
        self, query: Query, peer: Peer, answer: Answer, decision: Decision | None, now: float, wall: float
    ) -> bytes:
        """The whole reply. *now*: monotonic seconds; *wall*: Unix seconds."""
        asked = query.edns
        limit = peer.max_reply_bytes or (
            edns.MIN_UDP_PAYLOAD_BYTES if asked is None else min(asked.payload, self.payload)
        )
        scope = (
            answer.ecs_scope if answer.ecs_scope is not None else decision.ecs_scope(query.client) if decision else 0
        )
        return render_reply(
            query,
            answer,
            now=now,
            limit=limit,
            options=b"" if asked is None else self._options(asked, peer, wall),
            payload=self.payload,
            recursion_available=peer.may_forward,
            scope=0 if query.client.subnet is None else min(scope, query.client.subnet.prefix),
            pad=PADDING_BLOCK_BYTES if asked is not None and asked.padding and peer.transport.pads else 0,
        )

    def _options(self, asked: Edns, peer: Peer, wall: float) -> bytes:
        """The options of a reply that depend on the client alone."""
        options = b""
        if asked.cookie is not None and self.cookie_secrets:
            options = make_cookie_option(self.cookie_secrets, asked.cookie, peer.source, wall)
        if asked.nsid and self.nsid is not None:
            options += edns.encode_option(edns.NSID, self.nsid)
        if asked.keepalive and peer.transport.keeps_alive:
            options += edns.encode_option(edns.KEEPALIVE, int(self.idle * 10).to_bytes(2, "big"))
        return options
