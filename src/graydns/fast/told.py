"""Told: one of the last answers that the hot table did not give at once, so that somebody can ask why it was that.

Of hot answers a Peer keeps the last query, and Peers those of the last subnets: the Router is pure, so whoever wants
to know what they were told, and why, can work it out again.
"""

from __future__ import annotations

from typing import NamedTuple

from graydns.model.decision import Decision
from graydns.model.query import Client

#: Answers remembered.
MOST = 4096

PARSED, PIPELINE = "parsed", "pipeline"


class Told(NamedTuple):
    """*at*: Unix seconds. *way*: PARSED or PIPELINE. *decision*: None where nothing was decided. *why*: the Answer's."""

    at: float
    client: Client
    qname: bytes
    qtype: int
    rcode: int
    decision: Decision | None
    way: str
    why: str
