"""Unbound: a cache before the upstream, with validation or without, as graydns is measured."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from attrs import frozen

from benchmarks.servers.server import HOST, Server, World
from tools import peers

_CONFIGURATION = """\
server:
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    chroot: ""
    username: ""
    use-syslog: no
    num-threads: 1
    interface: {host}@{port}
    interface: {host}@{tls_port}
    tls-port: {tls_port}
    tls-service-pem: "{certificate}"
    tls-service-key: "{key}"
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    module-config: "{modules}"
    {anchor}
    local-zone: "test." nodefault
    incoming-num-tcp: 200
    msg-cache-size: 256m
    rrset-cache-size: 512m
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {host}@{upstream}
"""


@frozen
class Unbound(Server):
    """*validates*: with the validator."""

    name: ClassVar[str] = "unbound"
    program: ClassVar[str] = "unbound"

    validates: bool = False

    @property
    def label(self) -> str:
        return f"{self.name}, validating" if self.validates else self.name

    def prepare(self, folder: Path, port: int, tls_port: int, world: World) -> list[str]:
        text = _CONFIGURATION.format(
            folder=folder,
            host=HOST,
            port=port,
            tls_port=tls_port,
            certificate=world.certificate,
            key=world.key,
            upstream=world.upstream,
            modules="validator iterator" if self.validates else "iterator",
            anchor=f"trust-anchor: '{world.anchor}'" if self.validates else "",
        )
        (folder / "unbound.conf").write_text(text)
        return [peers.find(self.program), "-d", "-c", str(folder / "unbound.conf")]
