"""Checks of the files that ``consul.tls`` names, so that what is wrong is reported with its line in graydns.yaml.

A module of its own: without these files it loads nothing of the Consul client.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from graydns.config.consul_settings import ConsulSettings, ConsulTlsSettings
from graydns.config.document import describe_os_error, read_regular_file
from graydns.config.issues import ValidationIssue


def check_tls_files(consul: ConsulSettings | None) -> Iterator[ValidationIssue]:
    """The issues of the files; their paths are those of graydns.yaml."""
    tls = None if consul is None else consul.tls
    if tls is None:
        return
    given = {"ca": tls.ca, "certificate": tls.certificate, "key": tls.key}
    unreadable = [issue for key, path in given.items() if path is not None for issue in _check_readable(key, path)]
    yield from unreadable or _check_usable(tls)


def _check_readable(key: str, path: Path) -> Iterator[ValidationIssue]:
    try:
        read_regular_file(path)
    except (OSError, ValueError) as error:
        yield ValidationIssue(("consul", "tls", key), f"{str(path)!r} ({describe_os_error(error)})", "a readable file")


def _check_usable(tls: ConsulTlsSettings) -> Iterator[ValidationIssue]:
    from txconsul.authentication import make_tls_policy  # loads an HTTP client

    parts = (
        ("ca", (tls.ca, None, None), "CA certificates, PEM"),
        ("certificate", (None, tls.certificate, tls.key), "a certificate with its key, PEM"),
    )
    for key, (ca, certificate, own), expected in parts:
        try:
            make_tls_policy(ca, certificate, own)
        except (OSError, ValueError):
            found = repr(str(ca)) if ca else f"{str(certificate)!r} and {str(own)!r}"
            yield ValidationIssue(("consul", "tls", key), found, expected)
