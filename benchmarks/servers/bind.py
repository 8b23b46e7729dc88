"""BIND 9: authoritative for the plain zone, a forwarder for the rest; the upstream where Knot is missing."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from attrs import frozen

from benchmarks import site
from benchmarks.servers.server import HOST, Server, World
from tools import peers

_CONFIGURATION = """\
tls measured {{ cert-file "{certificate}"; key-file "{key}"; }};
options {{
    directory "{folder}";
    pid-file none;
    session-keyfile none;
    listen-on port {port} {{ {host}; }};
    listen-on port {tls_port} tls measured {{ {host}; }};
    listen-on-v6 {{ none; }};
    recursion yes;
    allow-recursion {{ 127.0.0.0/8; }};
    {forwarding}
    dnssec-validation no;
    notify no;
    max-cache-size 512m;
}};
controls {{ }};
logging {{ category default {{ null; }}; }};
"""

_FORWARDING = "forward only; forwarders {{ {host} port {upstream}; }};"
_ZONE = 'zone "{zone}" {{ type primary; file "{file}"; }};\n'


@frozen
class Bind(Server):
    name: ClassVar[str] = "bind9"
    program: ClassVar[str] = "named"

    def prepare(self, folder: Path, port: int, tls_port: int, world: World) -> list[str]:
        is_upstream = not world.upstream
        text = _CONFIGURATION.format(
            folder=folder,
            host=HOST,
            port=port,
            tls_port=tls_port,
            certificate=world.certificate,
            key=world.key,
            forwarding="" if is_upstream else _FORWARDING.format(host=HOST, upstream=world.upstream),
        )
        zones = world.zones if is_upstream else {site.PLAIN: world.zones[site.PLAIN]}
        text += "".join(_ZONE.format(zone=zone, file=file) for zone, file in zones.items())
        (folder / "named.conf").write_text(text)
        return [peers.find(self.program), "-f", "-n", "1", "-c", str(folder / "named.conf")]
