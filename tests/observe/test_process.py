"""A whole graydns as a service manager and a load balancer see it."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.conftest import answers
from tests.observe.watching import ROOT
from tools.process import Process

CONFIG = """\
listen: ["udp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}"]
admin: null
http: tcp://127.0.0.1:{http}
zones: {zones}
data: {folder}/var
shutdown_delay: 1s
upstreams: {{none: {{servers: ["udp://127.0.0.1:9"]}}}}
forward: {{}}
"""


def page(port: int, path: str) -> tuple[int, str]:
    """Status and body; 0 if there is no page at all."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_from_ready_to_gone(
    tmp_path: Path,
    free_port: Callable[[], int],
    start_graydns: Callable[[Path, int], Process],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is ready once it answers; asked to stop it is not, answers for the delay, and ends."""
    port, http = free_port(), free_port()
    (tmp_path / "graydns.yaml").write_text(CONFIG.format(port=port, http=http, zones=ROOT / "zones", folder=tmp_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        graydns = start_graydns(tmp_path / "graydns.yaml", port)
        assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"WATCHDOG=1"
        assert page(http, "ready") == (200, "ready\n")
        query = dns.message.make_query("www.shop.test", "A")
        for _ in range(3):
            dns.query.udp(query, "127.0.0.1", port=port, timeout=5)
            dns.query.tcp(query, "127.0.0.1", port=port, timeout=5)
        metrics = page(http, "metrics")[1]
        assert 'graydns_queries_total{door="tcp"} 3.0' in metrics
        assert 'graydns_answers_total{rcode="NOERROR",tenant="t-demo"} 6.0' in metrics
        assert "process_resident_memory_bytes" in metrics
        os.kill(graydns.pid, signal.SIGTERM)
        graydns.wait_until(lambda: page(http, "ready")[0] == 503)
        assert answers(port)
        while (state := manager.recv(100)) == b"WATCHDOG=1":
            continue
        assert state == b"STOPPING=1"
    assert graydns.popen.wait(20) == -signal.SIGTERM  # twistd ends itself by the signal that it got
    assert page(http, "live")[0] == 0
