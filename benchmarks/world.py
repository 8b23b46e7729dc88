"""What every run needs before the first server starts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
from attrs import evolve

from benchmarks import site
from benchmarks.certificate import write_certificate
from benchmarks.measure import running
from benchmarks.servers.bind import Bind
from benchmarks.servers.knot import Knot
from benchmarks.servers.server import HOST, Server, World
from tools.process import NotReady


@contextmanager
def prepared_world() -> Iterator[World]:
    """Zones, certificate and a running upstream in a folder of their own, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="graydns-bench-") as name:
        folder = Path(name)
        certificate, key = write_certificate(folder)
        cores = sorted(os.sched_getaffinity(0))
        first, last = (cores[0], cores[-1]) if len(cores) > 1 else (None, None)
        world = World(folder, site.write_zones(folder), certificate, key, servers_core=first, load_core=last)
        with running({behind := upstream()}, world) as servers:
            if isinstance(started := servers[behind], NotReady):
                raise started
            yield evolve(world, upstream=started.port, anchor=anchor(started.port))


def upstream() -> Server:
    """Who has all zones, for everybody else to ask."""
    return Knot() if Knot().is_present() else Bind()


def anchor(port: int) -> str:
    """The key of the signed zone as the server at *port* has it, "" if that signs nothing."""
    query = dns.message.make_query(site.SIGNED, "DNSKEY")
    reply = dns.query.udp(query, HOST, timeout=5.0, port=port)
    return next((f"{site.SIGNED}. IN DNSKEY {rrset[0].to_text()}" for rrset in reply.answer), "")
