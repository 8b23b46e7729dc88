"""dnsdist: a packet cache before the upstream, one listener.

Its cache leaves ECS out of its key here: all clients get the same answer, as from the other servers.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from attrs import frozen

from benchmarks.servers.server import HOST, Server, World
from tools import peers

_CONFIGURATION = """\
setSecurityPollSuffix("")
setACL({{"127.0.0.0/8"}})
setLocal("{host}:{port}")
addTLSLocal("{host}:{tls_port}", "{certificate}", "{key}")
setMaxTCPClientThreads(1)
newServer({{address="{host}:{upstream}", checkInterval=60}})
getPool(""):setCache(newPacketCache(1000000, {{skipOptions={{8}}}}))
"""


@frozen
class Dnsdist(Server):
    name: ClassVar[str] = "dnsdist"
    program: ClassVar[str] = "dnsdist"

    def prepare(self, folder: Path, port: int, tls_port: int, world: World) -> list[str]:
        text = _CONFIGURATION.format(
            host=HOST,
            port=port,
            tls_port=tls_port,
            certificate=world.certificate,
            key=world.key,
            upstream=world.upstream,
        )
        (folder / "dnsdist.conf").write_text(text)
        return [peers.find(self.program), "--supervised", "--disable-syslog", "-C", str(folder / "dnsdist.conf")]

    def version_arguments(self) -> tuple[str, ...]:
        return ("--version",)
