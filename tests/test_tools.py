"""What tests and benchmarks lean on: processes end, ports are free, peers are found or their lack explained."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tools import consul, peers, ports
from tools.apt import Apt, AptError, archive
from tools.ports import free_ports
from tools.process import NotReady, start

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


def test_a_process_that_ignores_the_request_ends_all_the_same(tmp_path: Path) -> None:
    """stop() insists after a while."""
    process = start([sys.executable, "-c", STUBBORN], tmp_path)
    process.wait_until(lambda: "deaf" in process.tail())
    assert process.stop(seconds=0.2) == -9


def test_a_process_that_ends_early_shows_its_last_words(tmp_path: Path) -> None:
    """Waiting for it stops at once, and says why it ended."""
    process = start([sys.executable, "-c", "raise SystemExit('no such zone')"], tmp_path)
    with pytest.raises(NotReady, match="ended with status 1\nno such zone"):
        process.wait_until(lambda: False)
    assert process.stop() == 1


def test_a_silent_process_is_given_up(tmp_path: Path) -> None:
    """Waiting is bounded."""
    process = start([sys.executable, "-c", STUBBORN], tmp_path)
    with pytest.raises(NotReady, match="not ready"):
        process.wait_until(lambda: False, seconds=0.1)
    process.stop(seconds=0.2)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_free_ports_can_be_bound(host: str) -> None:
    """Each port is another one, and free for UDP and TCP."""
    ports = free_ports(5, host)
    assert len(set(ports)) == 5
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in ports:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(family, kind) as bound:
                bound.bind((host, port))


def test_no_port_is_given_twice() -> None:
    """A server that is about to start, or that is started again, finds the port that it was given."""
    random.seed(7)
    first = free_ports(300)
    random.seed(7)
    assert not set(first) & set(free_ports(300))


def test_ports_are_not_those_of_clients() -> None:
    """What the kernel gives to clients would be taken in the meantime by a connection that somebody opens."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_ports(50)) < first


def test_a_port_that_is_taken_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one whose UDP half only is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        offered = iter([number, number + 1, number + 2])
        monkeypatch.setattr(ports, "_ports", offered)
        assert number not in free_ports(1)


def test_no_two_processes_are_given_the_same_port() -> None:
    """Test runs side by side start servers on ports of their own."""
    ours = set(free_ports(300))
    command = [sys.executable, "-c", "from tools.ports import free_ports; print(*free_ports(300))"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    theirs = {int(port) for port in printed.split()}
    assert len(theirs) == 300
    assert not ours & theirs


def test_a_server_of_a_cluster_that_ends_is_noticed(tmp_path: Path) -> None:
    """The others would wait for it in vain; its own log says why."""
    ended, waiting = (consul.prepare(str(tmp_path / name), tmp_path, name, {}) for name in ("ended", "waiting"))
    for server, script in ((ended, "echo port taken; exit 1"), (waiting, "exec sleep 60")):
        program = Path(server.program + ".sh")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        server.program = str(program)
    with pytest.raises(NotReady, match=r"ended\.sh ended with status 1\nport taken"), consul.running([waiting, ended]):
        pass
    assert waiting.process.popen.returncode is not None


def test_a_missing_peer_says_how_to_get_it() -> None:
    """The text names the program and what to do."""
    with pytest.raises(peers.MissingPeer, match=r"no-such-dns is not installed .*make peers"):
        peers.find("no-such-dns")


def test_a_peer_in_its_own_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs unpacked into .peers/bin count as present."""
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "some-dns").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "some-dns").chmod(0o755)
    assert peers.find("some-dns") == str(tmp_path / "bin" / "some-dns")


def test_a_machine_without_apt_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is downloaded, and the reason is plain."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AptError, match="no apt-get"):
        Apt(tmp_path).unpack("knot", ["knotd"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("setting", "status"), [("true", 1), ("", 0)])
def test_a_peer_that_cannot_be_had_is_an_error_in_continuous_integration_only(
    setting: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a laptop the tests that need it are skipped; with CI=true it is an error."""
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    monkeypatch.setattr(peers, "PACKAGES", {"no-such-dns": "no-such-package"})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", setting)
    assert peers.main() == status


def with_sources(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """An apt-get that knows of these archives and components only."""
    (folder / "apt-get").write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_an_older_release_comes_from_the_archive_that_the_machine_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror, if it uses one; security updates and other vendors are no such archive."""
    with_sources(
        tmp_path,
        monkeypatch,
        "http://mirror.test/debian-security/ main",
        "http://vendor.test/debian extras",
        "http://mirror.test/pub/debian/ main",
    )
    assert archive() == "http://mirror.test/pub/debian/"


def test_without_an_archive_of_debian_an_older_release_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is plain."""
    with_sources(tmp_path, monkeypatch, "http://mirror.test/ubuntu/ main")
    with pytest.raises(AptError, match="no source of this machine is a Debian archive"):
        archive()
