"""What a Twisted program brings along: a factory of an IResolver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.names import client
from twisted.names.authority import BindAuthority


def make_resolver(reactor: Any) -> Any:
    """The stock client, for the server whose port the file ``port`` in the current folder holds."""
    return client.Resolver(servers=[("127.0.0.1", int(Path("port").read_text()))], timeout=(1,), reactor=reactor)


def make_authority(reactor: Any) -> BindAuthority:
    """A stock authority, for the zone file ``zone`` in the current folder."""
    return BindAuthority("zone")
