"""A real server whose files change under it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import pytest

from tests.e2e.serving import serving, write
from tools.ports import free_ports
from tools.process import Process

SERVICES = """\
tenant_id: one
services:
  api.a.test:
    versions: {{stable: {{A: 192.0.2.10}}, canary: {{A: 192.0.2.20}}}}
    default: stable
    percent: {{canary: {}}}
"""


def query(subnet: str = "172.16.1.0") -> dns.message.Message:
    return dns.message.make_query("api.a.test", "A", use_edns=0, options=[dns.edns.ECSOption(subnet, 24)])


def ask(port: int, subnet: str = "172.16.1.0") -> str:
    """The address that a client in *subnet* gets."""
    return str(dns.query.udp(query(subnet), "127.0.0.1", port=port, timeout=5).answer[0][0])


@pytest.fixture
def change(tmp_path: Path) -> Callable[[str, int], None]:
    """A function: give the zone a version and a share."""

    def rewrite(version: str, percent: int) -> None:
        path = tmp_path / "zones" / "a.test" / "zone-config.yaml"
        head = f'zone: a.test\nconfig_version: "{version}"\nsource: {{file: data.zone}}\n'
        path.with_name("fresh").write_text(head + SERVICES.format(percent))
        path.with_name("fresh").replace(path)

    return rewrite


def site(folder: Path, port: int, interval: int) -> Path:
    main = f"""\
        listen: ["udp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}"]
        forward: {{}}
        zones: zones/
        reload: {{refresh_interval_ms: {interval}}}
        """
    return write(folder, main, {"a.test": (SERVICES.format(0), "")})


def test_files_are_followed(tmp_path: Path, change: Callable[[str, int], None]) -> None:
    """A change is in the answers soon after it is written, one after the other, over an open TCP connection too."""
    (port,) = free_ports(1)
    with serving(site(tmp_path, port, 100), port) as process, socket.create_connection(("127.0.0.1", port)) as stream:
        stream.settimeout(5)

        def ask_stream() -> str:
            dns.query.send_tcp(stream, query())
            return str(dns.query.receive_tcp(stream)[0].answer[0][0])

        assert ask(port) == ask_stream() == "192.0.2.10"
        for version in range(2, 12):
            wanted = ("192.0.2.10", "192.0.2.20")[version % 2]
            change(str(version), 100 * (version % 2))
            process.wait_until(lambda wanted=wanted: ask(port) == wanted)  # type: ignore[misc]
            assert ask_stream() == wanted


def test_sighup_does_not_wait(tmp_path: Path, change: Callable[[str, int], None]) -> None:
    """With an hour between two looks, SIGHUP takes a change up at once."""
    (port,) = free_ports(1)
    with serving(site(tmp_path, port, 3_600_000), port) as process:
        change("2", 100)
        process.popen.send_signal(signal.SIGHUP)
        process.wait_until(lambda: ask(port) == "192.0.2.20")


def test_a_broken_file_is_told_and_changes_nothing(tmp_path: Path, change: Callable[[str, int], None]) -> None:
    """The log has file, line and reason; answers go on; the mended file is taken up."""
    (port,) = free_ports(1)
    with serving(site(tmp_path, port, 100), port) as process:
        change("2", 101)
        process.wait_until(lambda: "zone-config.yaml:9:23: services.api.a.test.percent.canary" in log(process))
        assert ask(port) == "192.0.2.10"
        change("2", 100)
        process.wait_until(lambda: ask(port) == "192.0.2.20")
        assert "Traceback" not in log(process)


def test_a_restart_goes_on_counting(tmp_path: Path, change: Callable[[str, int], None]) -> None:
    """The history is that of the data folder."""
    (port,) = free_ports(1)
    config = site(tmp_path, port, 100)
    with serving(config, port) as process:
        change("2", 100)
        process.wait_until(lambda: ask(port) == "192.0.2.20")
    with serving(config, port):
        assert ask(port) == "192.0.2.20"
    history = tmp_path / "var" / "history"
    assert sorted(path.name for path in history.glob("*.json")) == ["00000001.json", "00000002.json"]


def log(process: Process) -> str:
    return process.log.read_text(errors="replace")
