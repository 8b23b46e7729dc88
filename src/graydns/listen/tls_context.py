"""TLS of the listeners: the certificate, client authentication, and their reload; the identity of a client certificate;
and the self-signed certificate of the demo, so that its DoT listener needs no preparation.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from attrs import define, field
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from zope.interface import implementer

from graydns.model.errors import ConfigError, ConfigIssue

#: The registered ALPN name of DNS over TLS; RFC 7858 section 3.1 requires none.
ALPN_PROTOCOL = b"dot"

#: Forward secrecy and authenticated encryption only (RFC 9325 section 4.2). TLS 1.3 has no others.
CIPHER_LIST = b"ECDHE+AESGCM:ECDHE+CHACHA20"


class BatchReadConnection(SSL.Connection):
    """A connection whose :meth:`recv` returns all records received, where OpenSSL's returns one.

    Every end looks like close_notify: for others Twisted makes a Failure that refers to itself and to the connection,
    which stay in memory until a full garbage collection.
    """

    _exhausted = False

    def recv(self, bufsiz: int, flags: int | None = None) -> bytes:
        """The plaintext of all whole records received; *bufsiz* bounds one. Raises WantReadError, ZeroReturnError."""
        if self._exhausted:
            self._exhausted = False
            raise SSL.WantReadError
        pieces: list[bytes] = []
        try:
            while True:
                pieces.append(super().recv(bufsiz, flags))
        except SSL.WantReadError:
            # Twisted calls recv until WantReadError; the next call need not ask OpenSSL again.
            self._exhausted = bool(pieces)
            if not pieces:
                raise
        except SSL.Error:
            # After whole records OpenSSL raises it again at the next call.
            if not pieces:
                raise SSL.ZeroReturnError from None
        return b"".join(pieces)

    def bio_shutdown(self) -> None:
        """Do nothing: when TCP is closed, everything has been received already."""


@implementer(IOpenSSLServerConnectionCreator)
@define(eq=False)
class TlsContext:
    """TLS 1.2 and up with one certificate.

    *certificate*: PEM file, the certificate first, then its chain. *key*: PEM file, not encrypted. *client_ca*: PEM
    file; clients may then show a certificate, and one that it has not issued fails the handshake; clients without one
    are served without an identity. Creating a TlsContext, like :meth:`reload`, raises ConfigError.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    _context: SSL.Context = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.reload()

    def reload(self) -> None:
        """Read the files again for new connections. Raises ConfigError, and then the old ones stay in use."""
        context = _make_ssl_context()
        self._load_key_pair(context)
        if self.client_ca is not None:
            self._load_client_ca(context, self.client_ca)
        self._context = context

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """A server-side connection."""
        return BatchReadConnection(self._context)

    def _load_key_pair(self, context: SSL.Context) -> None:
        try:
            leaf, *chain = x509.load_pem_x509_certificates(self.certificate.read_bytes())
            context.use_certificate(leaf)
            for each in chain:
                context.add_extra_chain_cert(each)
        except (OSError, ValueError, SSL.Error) as error:
            raise _make_tls_error(
                "certificate", self.certificate, error, "a PEM file with a certificate and its chain"
            ) from error
        try:
            context.use_privatekey(load_pem_private_key(self.key.read_bytes(), None))  # type: ignore[arg-type]
            context.check_privatekey()
        except (OSError, TypeError, ValueError, SSL.Error) as error:
            expected = f"a PEM file with the unencrypted private key of {self.certificate}"
            raise _make_tls_error("key", self.key, error, expected) from error

    def _load_client_ca(self, context: SSL.Context, path: Path) -> None:
        try:
            x509.load_pem_x509_certificates(path.read_bytes())
            context.load_verify_locations(path)
            context.load_client_ca(bytes(path))
        except (OSError, ValueError, SSL.Error) as error:
            raise _make_tls_error("client_ca", path, error, "a PEM file with certificates") from error
        context.set_verify(SSL.VERIFY_PEER)


def _make_ssl_context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_RENEGOTIATION)
    context.set_cipher_list(CIPHER_LIST)
    # Sessions are resumed from tickets, which clients store; the server stores none. The id allows that with client
    # certificates, too.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"graydns")
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_alpn_select_callback(_select_alpn)
    return context


def _select_alpn(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if ALPN_PROTOCOL in offered:
        return ALPN_PROTOCOL
    # RFC 7301 section 3.2: no common protocol is fatal. Twisted treats this error as a failed handshake.
    raise SSL.Error([("", "", "no application protocol")])


def _make_tls_error(key: str, path: Path, error: Exception, expected: str) -> ConfigError:
    if isinstance(error, OSError):
        found = error.strerror
    elif isinstance(error, SSL.Error):
        found = ", ".join(reason for _, _, reason in error.args[0])
    else:
        found = str(error)
    return ConfigError([ConfigIssue(("tls", key), f"{path} ({found})", expected)])


_log = Logger()


def read_certificate_identity(certificate: X509 | None) -> str | None:
    """``tls:NAME`` of a certificate that the handshake has verified; None without one, or without a name.

    NAME is the first DNS name (lowered) or else the first URI of its subject alternative names, or else the subject's
    common name. None for a certificate that cannot be parsed.
    """
    if certificate is None:
        return None
    try:
        name = _read_certificate_name(certificate.to_cryptography())
    except ValueError:
        _log.failure("a verified client certificate cannot be parsed")
        return None
    return f"tls:{name}" if name else None


def _read_certificate_name(certificate: x509.Certificate) -> str | None:
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


DEMO_CERTIFICATE_VALIDITY = timedelta(days=3650)

DEMO_CERTIFICATE_NAMES = (
    x509.DNSName("localhost"),
    x509.IPAddress(IPv4Address("127.0.0.1")),
    x509.IPAddress(IPv6Address("::1")),
)


def write_demo_certificate(certificate: Path, key: Path) -> bool:
    """Write a self-signed ECDSA P-256 certificate for localhost and its key; returns whether it was written.

    Nothing is written if either file exists: half a pair is a mistake that loading reports.
    Raises OSError.
    """
    if certificate.exists() or key.exists():
        return False
    private = ec.generate_private_key(ec.SECP256R1())
    for path in (certificate, key):
        path.parent.mkdir(parents=True, exist_ok=True)
    _write_with_mode(key, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write_with_mode(certificate, _make_self_signed(private).public_bytes(Encoding.PEM), 0o644)
    return True


def _make_self_signed(private: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "graydns demo")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of clients may be slow.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + DEMO_CERTIFICATE_VALIDITY)
        .add_extension(x509.SubjectAlternativeName(DEMO_CERTIFICATE_NAMES), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, SHA256())
    )


def _write_with_mode(path: Path, data: bytes, mode: int) -> None:
    # Created with its mode, so that a key is never readable by others.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
