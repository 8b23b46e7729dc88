"""What all servers have in common: a place to run at, and a running server that can be asked."""

from __future__ import annotations

import abc
import re
import subprocess
from pathlib import Path
from typing import ClassVar

import dns.exception
import dns.message
import dns.query
from attrs import frozen

from benchmarks import site
from tools import peers
from tools.ports import free_ports
from tools.process import NotReady, Process, start

HOST = "127.0.0.1"

#: Seconds that a server may take to answer its first query; 100,000 rules are read in that time as well.
PATIENCE = 120.0


@frozen
class World:
    """What is the same for every server. *upstream*: port of the server that has all zones, 0 for that one itself.

    *anchor*: the key that signed the signed zone, as a record, "" where there is none.

    *servers_core*, *load_core*: the processors of the measured servers, and of all else; None on a machine with one.
    """

    folder: Path
    zones: dict[str, Path]
    certificate: Path
    key: Path
    upstream: int = 0
    servers_core: int | None = None
    load_core: int | None = None
    anchor: str = ""


@frozen
class Running:
    """A server that answers on *port* (UDP, TCP) and, if it speaks TLS, on *tls_port*."""

    name: str
    process: Process
    port: int
    tls_port: int


@frozen
class Server(abc.ABC):
    """How to run one server, with one worker wherever it has a choice."""

    name: ClassVar[str]
    program: ClassVar[str]
    speaks_tls: ClassVar[bool] = True
    #: A name that it answers as soon as it is ready.
    ready_name: ClassVar[str] = site.host(0)

    @abc.abstractmethod
    def prepare(self, folder: Path, port: int, tls_port: int, world: World) -> list[str]:
        """Write the configuration into *folder*; the command that starts the server in the foreground."""

    @property
    def label(self) -> str:
        """What the tables call it, unlike that of any other server of a run."""
        return self.name

    def is_present(self) -> bool:
        return peers.is_present(self.program)

    def version(self) -> str:
        """The version as a number, or "?" if the program does not say."""
        done = subprocess.run(
            [peers.find(self.program), *self.version_arguments()], capture_output=True, text=True, check=False
        )
        found = re.search(r"\d+\.\d+(\.\d+)*", done.stdout + done.stderr)
        return found.group() if found else "?"

    def version_arguments(self) -> tuple[str, ...]:
        return ("-V",)

    def start(self, world: World) -> Running:
        """Start it and wait until it answers. Raises NotReady."""
        port, tls_port = free_ports(2)
        folder = world.folder / re.sub(r"\W+", "-", f"{self.label}-{port}")
        folder.mkdir()
        core = world.servers_core if world.upstream else world.load_core
        process = start(self.prepare(folder, port, tls_port, world), folder, core=core)
        try:
            process.wait_until(lambda: self._answers(port), PATIENCE)
        except NotReady:
            process.stop()
            raise
        return Running(self.label, process, port, tls_port)

    def _answers(self, port: int) -> bool:
        query = dns.message.make_query(self.ready_name, "A")
        try:
            return bool(dns.query.udp(query, HOST, timeout=0.5, port=port).answer)
        except (dns.exception.DNSException, OSError):
            return False
