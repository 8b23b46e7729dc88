"""TLS to a server; apart, because loading it takes as long as everything else together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import ssl
from twisted.protocols.tls import TLSMemoryBIOFactory

from graydns.ctl.admin_client import AdminClientError, AdminLogin
from graydns.ctl.admin_endpoint import TlsAdminEndpoint

#: Twisted gives most of this no types.
_twisted_ssl: Any = ssl


def connect_tls(reactor: Any, place: TlsAdminEndpoint, login: AdminLogin, factory: Any, timeout: float) -> None:
    """Let *factory* connect to *place*, which must prove its name. Raises AdminClientError for files that are no
    good."""
    try:
        options = _twisted_ssl.optionsForClientTLS(
            place.host, _make_trust_root(login.ca), _load_client_certificate(login)
        )
    except Exception as error:
        raise AdminClientError(f"cannot use these certificates: {error}") from error
    reactor.connectTCP(place.host, place.port, TLSMemoryBIOFactory(options, True, factory, reactor), timeout)


def _make_trust_root(ca: str | None) -> Any:
    if ca is None:
        return _twisted_ssl.platformTrust()
    blocks = Path(ca).read_text(encoding="ascii").split("-----END CERTIFICATE-----")
    whole = [f"{block}-----END CERTIFICATE-----\n" for block in blocks if "BEGIN" in block]
    return _twisted_ssl.trustRootFromCertificates([_twisted_ssl.Certificate.loadPEM(each) for each in whole])


def _load_client_certificate(login: AdminLogin) -> Any:
    if login.certificate is None:
        return None
    both = Path(login.certificate).read_bytes() + Path(login.key or login.certificate).read_bytes()
    return _twisted_ssl.PrivateCertificate.loadPEM(both)
