"""The endpoint of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.ctl.admin_endpoint import TlsAdminEndpoint, UnixAdminEndpoint, parse_endpoint, read_configured


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("unix:var/admin.sock", UnixAdminEndpoint(Path("var/admin.sock"))),
        ("unix:/run/graydns/admin.sock", UnixAdminEndpoint(Path("/run/graydns/admin.sock"))),
        ("tls://127.0.0.1:8953", TlsAdminEndpoint("127.0.0.1", 8953)),
        ("tls://[::1]:8953", TlsAdminEndpoint("::1", 8953)),
        ("tls://dns1.example.org", TlsAdminEndpoint("dns1.example.org", 853)),
    ],
)
def test_endpoints_are_parsed(text: str, endpoint: UnixAdminEndpoint | TlsAdminEndpoint) -> None:
    """Paths, hosts, IPv6 addresses and ports."""
    assert parse_endpoint(text) == endpoint
    assert parse_endpoint(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    "text", ["", "unix:", "/var/admin.sock", "tcp://127.0.0.1:1", "tls://", "tls://x:0", "tls://x:70000"]
)
def test_other_texts_are_no_endpoints(text: str) -> None:
    """They raise ValueError."""
    with pytest.raises(ValueError, match="neither"):
        parse_endpoint(text)


@pytest.mark.parametrize(
    ("text", "admin", "data"),
    [
        (None, "unix:var/admin.sock", "var/"),
        ("{}", "unix:var/admin.sock", "var/"),
        ("admin: unix:x.sock\ndata: state/", "unix:x.sock", "state/"),
        ("admin: 'unix:x.sock'   # there\ndata: \"state/\"", "unix:x.sock", "state/"),
        ("admin:   tls://[::1]:8953", "tls://[::1]:8953", "var/"),
        ("{listen: [], admin: 'unix:a b.sock', data: d}", "unix:a b.sock", "d"),
        ("tls: {data: x}\n  # admin: unix:no.sock\nzones: {admin: y}", "unix:var/admin.sock", "var/"),
        ("admin: [", "unix:var/admin.sock", "var/"),
        ("admin: {a: b}", "unix:var/admin.sock", "var/"),
    ],
)
def test_the_endpoint_is_read_from_graydns_yaml(
    text: str | None, admin: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the current folder; a missing key has its default."""
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("graydns.yaml").write_text(text)
    assert (read_configured("admin"), read_configured("data")) == (admin, data)


def test_an_unreadable_configuration_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no error."""
    monkeypatch.chdir(tmp_path)
    Path("graydns.yaml").write_bytes(b"admin: \xff\n")
    assert read_configured("admin") == "unix:var/admin.sock"
