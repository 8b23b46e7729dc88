"""The files of ``consul.tls``, looked at when the configuration loads, so that what is wrong has a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from graydns.config.consul import Consul, ConsulTls
from graydns.config.file import read_regular, reason
from graydns.config.misfit import Misfit


def tls_misfits(consul: Consul | None) -> Iterator[Misfit]:
    """What is wrong with them; paths are those of graydns.yaml."""
    tls = None if consul is None else consul.tls
    if tls is None:
        return
    given = {"ca": tls.ca, "certificate": tls.certificate, "key": tls.key}
    unreadable = [misfit for key, path in given.items() if path is not None for misfit in _unreadable(key, path)]
    yield from unreadable or _unusable(tls)


def _unreadable(key: str, path: Path) -> Iterator[Misfit]:
    try:
        read_regular(path)
    except (OSError, ValueError) as error:
        yield Misfit(("consul", "tls", key), f"{str(path)!r} ({reason(error)})", "a readable file")


def _unusable(tls: ConsulTls) -> Iterator[Misfit]:
    from txconsul.tls import policy_of  # loads an HTTP client, which nobody without these files needs here

    parts = (
        ("ca", (tls.ca, None, None), "CA certificates, PEM"),
        ("certificate", (None, tls.certificate, tls.key), "a certificate with its key, PEM"),
    )
    for key, (ca, certificate, own), expected in parts:
        try:
            policy_of(ca, certificate, own)
        except (OSError, ValueError):
            found = repr(str(ca)) if ca else f"{str(certificate)!r} and {str(own)!r}"
            yield Misfit(("consul", "tls", key), found, expected)
