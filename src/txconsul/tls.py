"""Whom to trust behind https://, and who we are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL.SSL import Error as TLSError
from twisted.internet import ssl
from twisted.internet.error import VerifyError
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer


@implementer(IPolicyForHTTPS)
@frozen
class Policy:
    """Servers with a certificate from *trust* for the host that was asked; *ours* is shown to those who want one."""

    trust: Any
    ours: Any

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        """Called by the Agent for each connection."""
        return ssl.optionsForClientTLS(hostname.decode("ascii"), trustRoot=self.trust, clientCertificate=self.ours)


def policy_of(ca: Path | str | None, certificate: Path | str | None, key: Path | str | None) -> Any:
    """The IPolicyForHTTPS for files in PEM; without *ca* the system's authorities. Raises OSError, ValueError."""
    if (certificate is None) != (key is None):
        raise ValueError("a client certificate needs its key, and a key its certificate")
    if ca is None and certificate is None:
        return BrowserLikePolicyForHTTPS()  # type: ignore[no-untyped-call]
    return Policy(ssl.platformTrust() if ca is None else _authorities(Path(ca)), _own(certificate, key))  # type: ignore[no-untyped-call]


def _authorities(file: Path) -> Any:
    """Every certificate of a bundle."""
    found = load_pem_x509_certificates(file.read_bytes())
    return ssl.trustRootFromCertificates([ssl.Certificate.load(each.public_bytes(Encoding.DER)) for each in found])  # type: ignore[no-untyped-call]


def _own(certificate: Path | str | None, key: Path | str | None) -> Any:
    if certificate is None or key is None:
        return None
    try:
        return ssl.PrivateCertificate.loadPEM(Path(key).read_bytes() + b"\n" + Path(certificate).read_bytes())  # type: ignore[no-untyped-call]
    except (TLSError, VerifyError) as error:
        raise ValueError(f"{certificate} and {key} are no certificate with its key: {error}") from None
