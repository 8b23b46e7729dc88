"""What of a running server outlives its Snapshot."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock

from graydns.model.transport import UDP
from graydns.server import DnsServer
from graydns.sources.snapshot_loader import load_snapshot

CONFIG = """\
admin: null
http: null
zones: null
data: var/
cache: {{size: 64MiB}}
tenants: {{small: {{clients: [10.0.0.0/8], cache: {size}}}}}
"""


def make_server(folder: Path, size: str) -> DnsServer:
    """A server with a tenant whose part of the cache is *size*."""
    (folder / "graydns.yaml").write_text(CONFIG.format(size=size))
    return DnsServer(load_snapshot(folder / "graydns.yaml")[0], Clock(), cookie_secrets=(bytes(16),))


def test_hot_tables_are_a_quarter_of_what_a_tenant_may_have(tmp_path: Path) -> None:
    """A tenant with little room for cached answers has little for hot ones; a swap brings tables up to date."""
    server = make_server(tmp_path, "1MiB")
    for address in ("10.0.0.1", "192.0.2.1"):
        server.front.peer(address, UDP)
    assert {tenant: table.limit for tenant, table in server.hot_tables.items()} == {
        "small": 1 << 18,
        "default": 1 << 24,
    }
    server.swap(make_server(tmp_path, "2MiB").snapshot)
    assert server.hot_tables["small"].limit == 1 << 19
