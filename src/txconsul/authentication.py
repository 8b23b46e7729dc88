"""Whom to trust behind https://, and who we are.

The ACL token that goes with every request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field, frozen
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL.SSL import Error as TLSError
from twisted.internet import ssl
from twisted.internet.error import VerifyError
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from txconsul.reply import TokenUnreadableError


@implementer(IPolicyForHTTPS)
@frozen
class ClientTlsPolicy:
    """Trusts servers with a certificate from *trust_root* for their host; *client_certificate* is for those that ask
    for one."""

    trust_root: Any
    client_certificate: Any

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        """Called by the Agent for each connection."""
        return ssl.optionsForClientTLS(
            hostname.decode("ascii"), trustRoot=self.trust_root, clientCertificate=self.client_certificate
        )


def make_tls_policy(ca: Path | str | None, certificate: Path | str | None, key: Path | str | None) -> Any:
    """The IPolicyForHTTPS for files in PEM; without *ca* the system's authorities. Raises OSError, ValueError."""
    if (certificate is None) != (key is None):
        raise ValueError("a client certificate needs its key, and a key its certificate")
    if ca is None and certificate is None:
        return BrowserLikePolicyForHTTPS()
    trust_root = ssl.platformTrust() if ca is None else _load_trust_root(Path(ca))
    return ClientTlsPolicy(trust_root, _load_client_certificate(certificate, key))


def _load_trust_root(file: Path) -> Any:
    """Every certificate of a bundle."""
    found = load_pem_x509_certificates(file.read_bytes())
    return ssl.trustRootFromCertificates([ssl.Certificate.load(each.public_bytes(Encoding.DER)) for each in found])


def _load_client_certificate(certificate: Path | str | None, key: Path | str | None) -> Any:
    if certificate is None or key is None:
        return None
    try:
        return ssl.PrivateCertificate.loadPEM(Path(key).read_bytes() + b"\n" + Path(certificate).read_bytes())
    except (TLSError, VerifyError) as error:
        raise ValueError(f"{certificate} and {key} are no certificate with its key: {error}") from None


#: Where Consul's own tools look for a token.
TOKEN_VARIABLE = "CONSUL_HTTP_TOKEN"


class TokenSource(Protocol):
    """Where a token comes from."""

    def current(self) -> str | None:
        """The token; None: ask as anonymous. Raises TokenUnreadableError."""

    def invalidate(self) -> None:
        """Consul did not accept it."""


def make_token_source(
    token: str | None, file: Path | str | None, environment: Mapping[str, str] = os.environ
) -> TokenSource:
    """*token*, else what *file* has at any time, else that of the environment. Raises ValueError if both are given."""
    if token is not None and file is not None:
        raise ValueError("a token and a token file: only one can hold")
    if file is not None:
        return FileToken(Path(file))
    return FixedToken(token or environment.get(TOKEN_VARIABLE) or None)


@frozen
class FixedToken:
    """A token that never changes; its text stays out of logs."""

    _text: str | None = field(repr=False)

    def current(self) -> str | None:
        """The token."""
        return self._text

    def invalidate(self) -> None:
        """Nothing to do: there is no other."""


@define
class FileToken:
    """The first line of a file, read again once the file has changed, or once Consul did not accept what was read.

    Without any token known nothing is sent: as anonymous most lists would be empty, with status 200. A file that
    vanishes or is empty for a while does no harm to what was read before.
    """

    _file: Path
    _text: str | None = field(default=None, init=False, repr=False)
    _fingerprint: tuple[int, int, int] | None = field(default=None, init=False, repr=False)

    def current(self) -> str | None:
        """The token. Raises TokenUnreadableError."""
        try:
            status = self._file.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp != self._fingerprint:
                self._text = self._read() or self._text
                self._fingerprint = stamp
        except (OSError, ValueError) as error:
            if self._text is None:
                raise TokenUnreadableError(f"cannot read the token file {self._file}: {error}") from None
        if self._text is None:
            raise TokenUnreadableError(f"the token file {self._file} is empty")
        return self._text

    def invalidate(self) -> None:
        """Read it again before the next request."""
        self._fingerprint = None

    def _read(self) -> str:
        return self._file.read_text(encoding="ascii").partition("\n")[0].strip()
