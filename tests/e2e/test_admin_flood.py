"""Ten thousand connections to the admin socket."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from graydns.admin.connections import AdminLimits
from graydns.listen.connections import raise_open_file_limit
from tests.e2e.serving import serving, write
from tools.ports import free_ports
from tools.process import Process
from tools.programs import GRAYDNSCTL

WANTED = 10_000

#: Files that this process has open for everything else.
OTHERS = 500

#: Octets that the server may grow by: brokers and buffers of 50 connections, and what the allocator keeps of a burst.
GROWTH = 16 << 20


@pytest.fixture
def open_files() -> Iterator[int]:
    """The limit of open files, raised for a test as far as it can be."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield raise_open_file_limit()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def resident(process: Process) -> int:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def opened(process: Process) -> int:
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def answer(port: int) -> list[str]:
    reply = dns.query.udp(dns.message.make_query("www.ours.test", "A"), "127.0.0.1", timeout=5, port=port)
    return [str(record) for rrset in reply.answer for record in rrset]


def status(folder: Path) -> dict[str, Any]:
    """What a real graydnsctl is told."""
    command = [GRAYDNSCTL, "--connect", f"unix:{folder}/admin.sock", "--json"]
    done = subprocess.run([*command, "status"], capture_output=True, timeout=60, check=True)
    result: dict[str, Any] = json.loads(done.stdout)["result"]
    return result


def test_ten_thousand_connections_change_nothing(tmp_path: Path, open_files: int) -> None:
    """Those past the fiftieth make older ones go, which costs next to no memory; queries are answered all the while,
    a real client gets in beside them and after them, and what is served is untouched."""
    count = min(WANTED, open_files - OTHERS)
    (port,) = free_ports(1)
    main = f'listen: ["udp://127.0.0.1:{port}"]\nforward: {{}}\n'
    config = write(tmp_path, main, {"ours.test": ("tenant_id: a\n", "")})
    config.write_text(config.read_text().replace("admin: null", "admin: unix:admin.sock"))
    said = (b"", b"\x80\x80garbage", b"\x01\x82version\x06")
    with serving(config, port) as process, ExitStack() as stack:
        before, files, octets = status(tmp_path), opened(process), resident(process)
        for number in range(count):
            client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            client.connect(str(tmp_path / "admin.sock"))
            with suppress(BrokenPipeError):  # somebody newer may have its place already
                client.send(said[number % len(said)])
            if number % 100 == 0:
                assert answer(port) == ["192.0.2.80"]
        during = status(tmp_path)
        assert opened(process) <= files + AdminLimits().connections
        assert resident(process) <= octets + GROWTH
        stack.close()
        after = status(tmp_path)
        for told in (during, after):
            assert [told[key] for key in ("snapshot", "since", "last_reload", "drift")] == [
                before[key] for key in ("snapshot", "since", "last_reload", "drift")
            ]
            assert told["ready"]
        assert answer(port) == ["192.0.2.80"]
    assert count == WANTED or open_files < WANTED + OTHERS
