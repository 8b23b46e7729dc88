"""Other name servers, started on a free loopback port with zones of ours."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

KNOT = """
server:
    rundir: "{folder}"
    listen: 127.0.0.1@{port}
database:
    storage: "{folder}"
log:
  - target: stderr
    any: warning
zone:
"""

NAMED = """
options {{
    directory "{folder}"; pid-file none; session-keyfile none; lock-file none;
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; minimal-responses yes; dnssec-validation no; check-names primary ignore;
}};
controls {{ }};
"""


def program(name: str) -> str:
    """Where *name* is installed; without it the test is skipped, in CI it fails."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", ".peers/usr/sbin")))
    if found is None:
        reason = f"{name} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def free_port() -> int:
    """A port that is free for UDP and TCP now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, socket.socket() as stream:
            datagram.bind(("127.0.0.1", 0))
            port: int = datagram.getsockname()[1]
            try:
                stream.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def ask(port: int, name: str, rdtype: str, *, tcp: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, use_edns=0, payload=4096, flags=0)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, "127.0.0.1", port=port, timeout=5)


@contextmanager
def knot(folder: Path, zones: Mapping[str, Path]) -> Iterator[int]:
    port = free_port()
    lines = [f'  - domain: "{origin}"\n    file: "{path}"\n' for origin, path in zones.items()]
    path = folder / "knot.conf"
    path.write_text(KNOT.format(folder=folder, port=port) + "".join(lines))
    with _running([program("knotd"), "-c", str(path)], port, next(iter(zones))):
        yield port


@contextmanager
def named(folder: Path, zones: Mapping[str, Path]) -> Iterator[int]:
    port = free_port()
    lines = [f'zone "{origin}" {{ type primary; file "{path}"; }};\n' for origin, path in zones.items()]
    path = folder / "named.conf"
    path.write_text(NAMED.format(folder=folder, port=port) + "".join(lines))
    with _running([program("named"), "-g", "-4", "-n", "1", "-c", str(path)], port, next(iter(zones))):
        yield port


@contextmanager
def _running(command: list[str], port: int, origin: str) -> Iterator[None]:
    """Run *command* until the block ends, which starts when it answers for *origin*."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(100):
            try:
                query = dns.message.make_query(origin, "SOA")
                if dns.query.udp(query, "127.0.0.1", port=port, timeout=0.2).answer:
                    break
            except (dns.exception.Timeout, OSError):
                time.sleep(0.05)
        else:
            process.kill()
            pytest.fail(f"{command[0]} does not answer: {process.communicate()[1].decode()[-2000:]}")
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
