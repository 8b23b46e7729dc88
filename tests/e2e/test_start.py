"""A start that cannot be: everything that is wrong, exit status 1, nothing half started."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
from pathlib import Path

from graydns.listen.tls_context import write_demo_certificate
from tests.e2e.serving import serving, write
from tools.ports import free_ports
from tools.programs import TWISTD


def start_and_end(config: Path) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end by itself."""
    command = [*TWISTD, "graydns", "--config", str(config)]
    return subprocess.run(command, cwd=config.parent, capture_output=True, text=True, timeout=60, check=False)


def test_every_error_is_told_with_its_place(tmp_path: Path) -> None:
    """Errors of the main file and of zones, all at once, each with line, column, found and expected; status 1."""
    main = """\
        listen: ["udp://127.0.0.1:99999"]
        limits: {udp_payload: 100}
        """
    config = write(tmp_path, main, {})
    ended = start_and_end(config)
    assert ended.returncode == 1
    assert f"{config}:4:10: listen.0: found 'udp://127.0.0.1:99999', expected" in ended.stderr
    assert f"{config}:5:23: limits.udp_payload: found '100', expected" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert not (tmp_path / "var").exists()


def test_zone_data_errors_are_told_too(tmp_path: Path) -> None:
    """A bad record names its file and line."""
    config = write(tmp_path, "zones: zones/\n", {"a.test": ("tenant_id: one\n", "bad A 300.1.2.3\n")})
    ended = start_and_end(config)
    assert ended.returncode == 1
    assert "a.test/data.zone:6" in ended.stderr


def test_a_taken_port_closes_what_was_open(tmp_path: Path) -> None:
    """If one door cannot be opened none is; the error names the door and its place in the file."""
    free, taken = free_ports(2)
    config = write(tmp_path, f"listen: ['udp://127.0.0.1:{free}', 'tcp://127.0.0.1:{taken}']\nzones: null\n", {})
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        ended = start_and_end(config)
    assert ended.returncode == 1
    assert f"{config}:4:35: listen.1: found tcp://127.0.0.1:{taken} (Address already in use), expected" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_missing_file_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    """No configuration: one line, status 1."""
    ended = start_and_end(tmp_path / "graydns.yaml")
    assert ended.returncode == 1
    assert "graydns.yaml" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_the_cookie_secret_survives_a_restart(tmp_path: Path) -> None:
    """The secret is made once, for its owner's eyes, and kept."""
    (port,) = free_ports(1)
    config = write(tmp_path, f"listen: ['udp://127.0.0.1:{port}']\nzones: null\n", {})
    secret = tmp_path / "var" / "cookie.secret"
    with serving(config, port):
        first = secret.read_text()
        assert secret.stat().st_mode & 0o777 == 0o600
    with serving(config, port) as process:
        assert secret.read_text() == first
        assert process.stop() in (0, -signal.SIGTERM)  # twistd ends as what ended it


def test_a_spoilt_secret_is_an_error(tmp_path: Path) -> None:
    """A file that is no list of secrets is not overwritten."""
    config = write(tmp_path, "zones: null\n", {})
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "cookie.secret").write_text("spoilt\n")
    ended = start_and_end(config)
    assert ended.returncode == 1
    assert "cookie.secret" in ended.stderr
    assert (tmp_path / "var" / "cookie.secret").read_text() == "spoilt\n"


def test_sighup_reads_the_certificate_again(tmp_path: Path) -> None:
    """A new pair is presented to new connections; a bad one leaves the old in force and the server up."""
    port, tls = free_ports(2)
    main = f"""\
        listen: ["udp://127.0.0.1:{port}", "tls://127.0.0.1:{tls}"]
        tls: {{certificate: var/dot.crt, key: var/dot.key}}
        zones: null
        """
    config = write(tmp_path, main, {})
    with serving(config, port) as process:
        first = ssl.get_server_certificate(("127.0.0.1", tls))
        certificate, key = tmp_path / "var" / "dot.crt", tmp_path / "var" / "dot.key"
        assert key.stat().st_mode & 0o777 == 0o600
        certificate.write_text("spoilt")
        process.popen.send_signal(signal.SIGHUP)
        process.wait_until(lambda: "tls.certificate" in process.log.read_text())
        assert ssl.get_server_certificate(("127.0.0.1", tls)) == first
        certificate.unlink()
        key.unlink()
        write_demo_certificate(certificate, key)
        process.popen.send_signal(signal.SIGHUP)
        process.wait_until(lambda: "certificate read again" in process.log.read_text())
        assert ssl.get_server_certificate(("127.0.0.1", tls)) != first
