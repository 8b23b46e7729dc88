"""TLS to a server; apart, because loading it takes as long as everything else together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import ssl
from twisted.protocols.tls import TLSMemoryBIOFactory

from graydns.ctl.link import LinkError, Login
from graydns.ctl.place import TlsPlace

#: Twisted gives most of this no types.
certificates: Any = ssl


def connect_tls(reactor: Any, place: TlsPlace, login: Login, factory: Any, timeout: float) -> None:
    """Let *factory* connect to *place*, which must prove its name. Raises LinkError for files that are no good."""
    try:
        options = certificates.optionsForClientTLS(place.host, _trust(login.ca), _own(login))
    except Exception as error:
        raise LinkError(f"cannot use these certificates: {error}") from error
    reactor.connectTCP(place.host, place.port, TLSMemoryBIOFactory(options, True, factory, reactor), timeout)


def _trust(ca: str | None) -> Any:
    if ca is None:
        return certificates.platformTrust()
    blocks = Path(ca).read_text(encoding="ascii").split("-----END CERTIFICATE-----")
    whole = [f"{block}-----END CERTIFICATE-----\n" for block in blocks if "BEGIN" in block]
    return certificates.trustRootFromCertificates([certificates.Certificate.loadPEM(each) for each in whole])


def _own(login: Login) -> Any:
    if login.certificate is None:
        return None
    both = Path(login.certificate).read_bytes() + Path(login.key or login.certificate).read_bytes()
    return certificates.PrivateCertificate.loadPEM(both)
