"""The audit log of a graydns that runs: changes are in the configured file, and what is done to it shows."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from tests.conftest import answers
from tests.e2e.serving import serving, write
from tools.ports import free_ports
from tools.programs import GRAYDNSCTL

ZONE = """\
    tenant_id: one
    services:
      api.a.test:
        versions: {stable: {A: 192.0.2.10}, canary: {A: 192.0.2.20}}
        default: stable
    """


def ctl(folder: Path, *words: str) -> tuple[int, Any]:
    """The exit status of graydnsctl, and what it gives."""
    done = subprocess.run(
        [GRAYDNSCTL, "--json", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, json.loads(done.stdout).get("result")


def test_changes_go_into_the_configured_file(tmp_path: Path) -> None:
    """Two runs make one chain, which is checked with a server and without; a line cut off in between is missed."""
    port, pages = free_ports(2)
    config = write(tmp_path, "audit: {file: log/a.jsonl}\n", {"a.test": (ZONE, "")})
    text = config.read_text().replace("admin: null\nhttp: null\n", "admin: unix:a.sock\n")
    config.write_text(f"{text}http: tcp://127.0.0.1:{pages}\nlisten: ['udp://127.0.0.1:{port}']\n")
    log, key = tmp_path / "log/a.jsonl", tmp_path / "var/audit.key"
    at = ("--connect", "unix:a.sock")
    with serving(config, port):
        assert answers(port)
        assert ctl(tmp_path, *at, "service", "percent", "api.a.test", "canary=50")[0] == 0
        assert [line["number"] for line in ctl(tmp_path, *at, "audit", "tail")[1]] == [1, 2]
        status, found = ctl(tmp_path, *at, "audit", "verify")
        assert (status, found["ok"], found["lines"]) == (0, True, 2)
        with urllib.request.urlopen(f"http://127.0.0.1:{pages}/metrics", timeout=5) as page:
            metrics = page.read().decode()
        assert "graydns_audit_lines_total 0.0" in metrics
        assert 'graydns_audit_dropped_total{reason="disk"} 0.0' in metrics
    offline = ("audit", "verify", "--file", str(log), "--key", str(key))
    status, found = ctl(tmp_path, *offline)
    assert (status, found["published"]) == (0, 2)
    assert not (tmp_path / "var/audit.log").exists()

    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    assert ctl(tmp_path, *offline)[1]["first_bad"] == 2
    with serving(config, port):
        status, found = ctl(tmp_path, *at, "audit", "verify")
        assert (status, found["ok"], found["why"]) == (1, False, "before line 2 the log was cut off")
