"""TLS connections to the admin interface. Imported late: OpenSSL takes as long to load as all the rest of a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import ssl
from twisted.protocols.tls import TLSMemoryBIOFactory

from graydns.ctl.admin_endpoint import AdminClientError, AdminLogin, TlsAdminEndpoint

#: Most of it has no types.
_twisted_ssl: Any = ssl


def connect_tls(reactor: Any, endpoint: TlsAdminEndpoint, login: AdminLogin, factory: Any, timeout: float) -> None:
    """Connect *factory* to *endpoint*, whose certificate must be valid for its host name. *timeout*: seconds.

    Raises AdminClientError when the PEM files of *login* cannot be used.
    """
    try:
        options = _twisted_ssl.optionsForClientTLS(
            endpoint.host, _make_trust_root(login.ca), _load_client_certificate(login)
        )
    except Exception as error:
        raise AdminClientError(f"cannot use these certificates: {error}") from error
    reactor.connectTCP(endpoint.host, endpoint.port, TLSMemoryBIOFactory(options, True, factory, reactor), timeout)


def _make_trust_root(ca: str | None) -> Any:
    if ca is None:
        return _twisted_ssl.platformTrust()
    blocks = Path(ca).read_text(encoding="ascii").split("-----END CERTIFICATE-----")
    certificates = [f"{block}-----END CERTIFICATE-----\n" for block in blocks if "BEGIN" in block]
    return _twisted_ssl.trustRootFromCertificates([_twisted_ssl.Certificate.loadPEM(pem) for pem in certificates])


def _load_client_certificate(login: AdminLogin) -> Any:
    if login.certificate is None:
        return None
    pem = Path(login.certificate).read_bytes() + Path(login.key or login.certificate).read_bytes()
    return _twisted_ssl.PrivateCertificate.loadPEM(pem)
