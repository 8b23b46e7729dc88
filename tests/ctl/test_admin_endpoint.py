"""Where a server is."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.ctl.admin_endpoint import TlsAdminEndpoint, UnixAdminEndpoint, parse_endpoint, read_configured


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("unix:var/admin.sock", UnixAdminEndpoint(Path("var/admin.sock"))),
        ("unix:/run/graydns/admin.sock", UnixAdminEndpoint(Path("/run/graydns/admin.sock"))),
        ("tls://127.0.0.1:8953", TlsAdminEndpoint("127.0.0.1", 8953)),
        ("tls://[::1]:8953", TlsAdminEndpoint("::1", 8953)),
        ("tls://dns1.example.org", TlsAdminEndpoint("dns1.example.org", 853)),
    ],
)
def test_places(text: str, place: UnixAdminEndpoint | TlsAdminEndpoint) -> None:
    """What can be written, and what it means."""
    assert parse_endpoint(text) == place
    assert parse_endpoint(str(place)) == place


@pytest.mark.parametrize(
    "text", ["", "unix:", "/var/admin.sock", "tcp://127.0.0.1:1", "tls://", "tls://x:0", "tls://x:70000"]
)
def test_no_places(text: str) -> None:
    """Other texts are errors."""
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
def test_the_configuration_here(
    text: str | None, admin: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """./graydns.yaml says where; defaults stand in for what it does not say."""
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("graydns.yaml").write_text(text)
    assert (read_configured("admin"), read_configured("data")) == (admin, data)


def test_an_unreadable_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read says nothing."""
    monkeypatch.chdir(tmp_path)
    Path("graydns.yaml").write_bytes(b"admin: \xff\n")
    assert read_configured("admin") == "unix:var/admin.sock"
