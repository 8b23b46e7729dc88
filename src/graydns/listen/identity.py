"""Identity: the name that rules know a client certificate by."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL.crypto import X509
from twisted.logger import Logger

_log = Logger()


def identity_of(certificate: X509 | None) -> str | None:
    """``tls:NAME`` of a certificate that the handshake has verified; None without one, or without a name.

    NAME is the first DNS name (lowered) or else the first URI of its subject alternative names, or else the subject's
    common name. A certificate that cannot be read names nobody.
    """
    if certificate is None:
        return None
    try:
        name = _name_of(certificate.to_cryptography())
    except ValueError:
        _log.failure("a verified client certificate cannot be read")
        return None
    return f"tls:{name}" if name else None


def _name_of(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    if names is not None:
        if hosts := names.get_values_for_type(x509.DNSName):
            return hosts[0].lower()
        if uris := names.get_values_for_type(x509.UniformResourceIdentifier):
            return uris[0]
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else None
