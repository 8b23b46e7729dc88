"""Queries to upstreams."""

from __future__ import annotations

from graydns.wire import edns
from graydns.wire.header import CD, HEADER, RD


def ask(
    id: int,  # noqa: A002
    question: bytes,
    *,
    recursion_desired: bool,
    checking_disabled: bool,
    dnssec_ok: bool,
    payload: int,
    options: bytes = b"",
) -> bytes:
    """A query for *question* (a whole question section) with an OPT record.

    *payload*: octets that we take over UDP. *options*: encoded options.
    """
    flags = (RD if recursion_desired else 0) | (CD if checking_disabled else 0)
    return HEADER.pack(id, flags, 1, 0, 0, 1) + question + edns.record(payload, dnssec_ok, options)
