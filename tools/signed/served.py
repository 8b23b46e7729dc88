"""The hierarchy behind one real server: named is authoritative for every zone, and answers as a resolver's upstream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
from attrs import frozen

from tools import peers
from tools.ports import free_ports
from tools.process import start
from tools.signed.zone import Zone

_OPTIONS = """\
options {{
  directory "{folder}"; pid-file none; session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion yes; dnssec-validation no; empty-zones-enable no; minimal-responses yes; notify no;
  check-integrity no; check-names primary ignore; rrset-order {{ order none; }};
  max-records-per-type 0; max-types-per-name 0;
}};
controls {{}};
"""

_ZONE = 'zone "{name}" {{ type primary; file "{file}"; check-dup-records ignore; }};\n'


@frozen
class Upstream:
    """A running server of the hierarchy, at *port* of 127.0.0.1, for UDP and TCP."""

    port: int


def write(zones: Iterable[Zone], folder: Path, port: int) -> None:
    """Zone files and named.conf in *folder*."""
    (folder / "zones").mkdir(parents=True)
    lines = [_OPTIONS.format(folder=folder.resolve(), port=port)]
    for zone in zones:
        file = f"zones/{zone.spec.name.rstrip('.') or 'root'}.zone"
        (folder / file).write_text(zone.to_text())
        lines.append(_ZONE.format(name=zone.spec.name, file=file))
    (folder / "named.conf").write_text("".join(lines))


@contextmanager
def serving(zones: Iterable[Zone], folder: Path) -> Iterator[Upstream]:
    """named, with *zones*; its files go to *folder*. Raises MissingPeer, NotReady."""
    program, (port,) = peers.find("named"), free_ports(1)
    write(zones, folder, port)
    process = start([program, "-g", "-n", "1", "-c", str(folder / "named.conf")], folder)
    try:
        process.wait_until(lambda: is_up(port))
        yield Upstream(port)
    finally:
        process.stop()


def is_up(port: int) -> bool:
    """Whether the root is served at *port* of 127.0.0.1."""
    try:
        reply = dns.query.udp(dns.message.make_query(".", "SOA"), "127.0.0.1", timeout=0.2, port=port)
    except (dns.exception.DNSException, OSError):
        return False
    return bool(reply.answer)
