"""A graydns that validates, in front of a few zones of the signed hierarchy."""

from __future__ import annotations

import json
import subprocess
import textwrap
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.query
from attrs import field, frozen

from tests.e2e.serving import serving, write
from tools.ports import free_ports
from tools.programs import GRAYDNSCTL
from tools.signed.forwarder import forwarding

MAIN = """\
listen: ["udp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}", "tls://127.0.0.1:{tls}"]
tls: {{certificate: var/dot.crt, key: var/dot.key}}
admin: unix:a.sock
http: tcp://127.0.0.1:{pages}
zones: zones/
"""


@frozen
class Said:
    """What a client that understands AD is told. *edes*: codes and texts."""

    rcode: str
    ad: bool
    records: tuple[str, ...]
    edes: tuple[tuple[int, str], ...]


@frozen
class Site:
    """Its *folder*, and its ports; not started. *time*: when it validates, in Unix seconds, None = now."""

    folder: Path
    upstream: int
    anchors: Sequence[str]
    time: int | None = None
    main: str = ""
    ports: list[int] = field(factory=lambda: free_ports(3))

    @property
    def port(self) -> int:
        return self.ports[0]

    def configure(self, anchors: Sequence[str]) -> None:
        """Have *anchors* from the next reload on."""
        (self.folder / "graydns.yaml").write_text("data: var/\n" + self._main(anchors))

    @contextmanager
    def served(self, **zones: tuple[str, str]) -> Iterator[Site]:
        """Serve it."""
        self.folder.mkdir(exist_ok=True)
        config = write(self.folder, "", {name.replace("_", "."): zone for name, zone in zones.items()})
        self.configure(self.anchors)
        with serving(config, self.port):
            yield self

    def ask(self, name: str, rdtype: str = "A", source: str = "127.0.0.1", *, do: bool = True) -> Said:
        """Over UDP, from *source*."""
        query = dns.message.make_query(name, rdtype, use_edns=0, want_dnssec=do, payload=1232)
        query.flags |= dns.flags.AD
        reply = dns.query.udp(query, "127.0.0.1", timeout=10, port=self.port, source=source)
        edes = [(int(each.code), each.text or "") for each in reply.options if isinstance(each, dns.edns.EDEOption)]
        records = [line for rrset in reply.answer for line in rrset.to_text().splitlines()]
        return Said(reply.rcode().name, bool(reply.flags & dns.flags.AD), tuple(records), tuple(edes))

    def ctl(self, *words: str) -> tuple[int, Any]:
        """The exit status of graydnsctl, and what it gives."""
        command = [GRAYDNSCTL, "--connect", "unix:a.sock", "--json", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, json.loads(done.stdout).get("result")

    def must(self, *words: str) -> Any:
        """As ctl(), for what has to work."""
        status, told = self.ctl(*words)
        assert status == 0, words
        return told

    def metric(self, name: str) -> float:
        """The value of the metric *name*, with its labels; 0 without one."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[2]}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name)

    def _main(self, anchors: Sequence[str]) -> str:
        port, tls, pages = self.ports
        head = MAIN.format(port=port, tls=tls, pages=pages)
        return head + forwarding(self.upstream, anchors, self.time) + textwrap.dedent(self.main)


def until(condition: Any, seconds: float = 30.0) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
