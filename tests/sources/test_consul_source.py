"""Files of ``consul.tls`` that are missing or something else: said when the configuration loads, with a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.model.errors import ConfigError
from graydns.sources.snapshot_loader import check_configuration
from tests.listen.certificates import issue

HEAD = "zones: null\nconsul:\n  address: https://consul.test:8501\n  tls: "


def faults(folder: Path, tls: str) -> list[str]:
    """What ``check_configuration`` says of that ``consul.tls``; ``start`` says the same."""
    main = folder / "graydns.yaml"
    main.write_text(f"{HEAD}{tls}\n")
    with pytest.raises(ConfigError) as raised:
        check_configuration(main)
    return [str(fault).removeprefix(f"{main}:") for fault in raised.value.issues]


def test_what_is_missing(tmp_path: Path) -> None:
    """Every file that is missing, at its place."""
    gone = "(no such file or directory), expected a readable file"
    assert faults(tmp_path, "{ca: no.pem, certificate: none.pem, key: no.key}") == [
        f"4:13: consul.tls.ca: found '{tmp_path}/no.pem' {gone}",
        f"4:34: consul.tls.certificate: found '{tmp_path}/none.pem' {gone}",
        f"4:49: consul.tls.key: found '{tmp_path}/no.key' {gone}",
    ]
    (fault,) = faults(tmp_path, "{ca: .}")
    assert "directory" in fault


def test_what_is_something_else(tmp_path: Path) -> None:
    """A file that holds no certificate, and a key that is another one's."""
    (tmp_path / "text.pem").write_text("hello")
    one, other = (issue(tmp_path, name) for name in ("one", "other"))
    pair = f"certificate: {one.certificate_file}, key: {other.key_file}"
    assert faults(tmp_path, f"{{ca: text.pem, {pair}}}") == [
        f"4:13: consul.tls.ca: found '{tmp_path}/text.pem', expected CA certificates, PEM",
        f"4:36: consul.tls.certificate: found '{one.certificate_file}' and '{other.key_file}', "
        "expected a certificate with its key, PEM",
    ]


def test_what_is_right(tmp_path: Path) -> None:
    """There is nothing to say of it."""
    one, authority = issue(tmp_path, "one"), issue(tmp_path, "ca", authority=True)
    main = tmp_path / "graydns.yaml"
    tls = f"{{ca: {authority.certificate_file}, certificate: {one.certificate_file}, key: {one.key_file}}}"
    main.write_text(f"{HEAD}{tls}\n")
    assert check_configuration(main) == ()
