"""A validating graydns in front of a signed hierarchy of its own, for programs that attack it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from attrs import frozen

from benchmarks.servers.graydns import twistd
from tools.ports import free_ports
from tools.process import start
from tools.signed.forwarder import forwarding
from tools.signed.hierarchy import NOW, anchors_of, build
from tools.signed.served import is_up, serving
from tools.signed.spec import Spec

_HEAD = """\
listen: ["udp://127.0.0.1:{port}"]
zones: null
admin: null
http: null
limits: {{max_inflight_per_source: 2000}}
"""


@frozen
class Validating:
    """A running one: its *port* of 127.0.0.1 for UDP, and its *process*."""

    port: int
    process: int


@contextmanager
def validating(specs: Sequence[Spec]) -> Iterator[Validating]:
    """graydns, and behind it named with the zones of *specs*."""
    with tempfile.TemporaryDirectory(prefix="graydns-signed-") as name, ExitStack() as held:
        folder, (port,) = Path(name), free_ports(1)
        zones = build(specs, NOW)
        upstream = held.enter_context(serving(zones, folder)).port
        configuration = folder / "graydns.yaml"
        configuration.write_text(_HEAD.format(port=port) + forwarding(upstream, anchors_of(zones), NOW))
        process = start(twistd(configuration), folder)
        held.callback(process.stop)
        process.wait_until(partial(is_up, port), 60)
        yield Validating(port, process.pid)
