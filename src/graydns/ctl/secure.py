"""TLS to a server; apart, because loading it takes as long as everything else together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import ssl
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS

from graydns.ctl.link import LinkError, Login
from graydns.ctl.place import TlsPlace


def tls_endpoint(reactor: Any, place: TlsPlace, login: Login, timeout: float) -> Any:
    """An endpoint that proves who it reached. Raises LinkError for files that are no good."""
    try:
        options = ssl.optionsForClientTLS(place.host, _trust(login.ca), _own(login))
    except Exception as error:
        raise LinkError(f"cannot use these certificates: {error}") from error
    return wrapClientTLS(options, HostnameEndpoint(reactor, place.host, place.port, timeout))


def _trust(ca: str | None) -> Any:
    if ca is None:
        return ssl.platformTrust()
    blocks = Path(ca).read_text(encoding="ascii").split("-----END CERTIFICATE-----")
    return ssl.trustRootFromCertificates(
        [ssl.Certificate.loadPEM(f"{block}-----END CERTIFICATE-----\n") for block in blocks if "BEGIN" in block]
    )


def _own(login: Login) -> Any:
    if login.certificate is None:
        return None
    both = Path(login.certificate).read_bytes() + Path(login.key or login.certificate).read_bytes()
    return ssl.PrivateCertificate.loadPEM(both)
