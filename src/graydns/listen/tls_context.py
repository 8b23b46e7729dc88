"""Context: what a TLS door presents and demands, and its replacement while the door is open.

Identity: the name that rules know a client certificate by.

Demo: a certificate of our own making, so that the DoT door of the demo opens without any preparation.
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

#: RFC 7858 section 3.1 asks for no ALPN; this is the registered name for those who use it.
ALPN_PROTOCOL = b"dot"

#: Forward secrecy and authenticated encryption only (RFC 9325 section 4.2). TLS 1.3 has nothing else.
CIPHER_LIST = b"ECDHE+AESGCM:ECDHE+CHACHA20"


class BatchReadConnection(SSL.Connection):
    """A connection whose :meth:`recv` gives all there is, where OpenSSL's gives one record.

    It ends in one way only, as if by close_notify: for other ends Twisted makes a Failure that holds itself, and the
    connection with it, until a full collection.
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
            # The caller will ask once more; that is answered without asking OpenSSL again.
            self._exhausted = bool(pieces)
            if not pieces:
                raise
        except SSL.Error:
            # After whole records, OpenSSL says it again when the caller asks.
            if not pieces:
                raise SSL.ZeroReturnError from None
        return b"".join(pieces)

    def bio_shutdown(self) -> None:
        """Nothing: when TCP is gone, all it brought has been received already."""


@implementer(IOpenSSLServerConnectionCreator)
@define(eq=False)
class TlsContext:
    """TLS 1.2 and up with one certificate.

    *certificate*: PEM file, the certificate first, then its chain. *key*: PEM file, not encrypted. *client_ca*: PEM
    file; a client may then show a certificate, and one that does not lead to it fails the handshake; a client without
    one is served without an identity. Making a TlsContext, like :meth:`reload`, raises ConfigError.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    _context: SSL.Context = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.reload()

    def reload(self) -> None:
        """Read the files again for connections to come; if they are no good, the old ones stay in force."""
        context = _make_ssl_context()
        self._load_key_pair(context)
        if self.client_ca is not None:
            self._load_client_ca(context, self.client_ca)
        self._context = context

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """One server side."""
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
    # Sessions resume from tickets, which clients keep, not from a store of ours. The id lets them resume
    # where client certificates are asked for too.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"graydns")
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_alpn_select_callback(_select_alpn)
    return context


def _select_alpn(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if ALPN_PROTOCOL in offered:
        return ALPN_PROTOCOL
    # RFC 7301 section 3.2: no common protocol is fatal. Twisted takes this error as a failed handshake.
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
    common name. A certificate that cannot be read names nobody.
    """
    if certificate is None:
        return None
    try:
        name = _read_certificate_name(certificate.to_cryptography())
    except ValueError:
        _log.failure("a verified client certificate cannot be read")
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
    """Write a self-signed ECDSA P-256 certificate for localhost and its key; whether it was done.

    Nothing is done if either file exists: half a pair is somebody's mistake, for which loading it has the words.
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
        # Clocks of clients differ from ours a little.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + DEMO_CERTIFICATE_VALIDITY)
        .add_extension(x509.SubjectAlternativeName(DEMO_CERTIFICATE_NAMES), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, SHA256())
    )


def _write_with_mode(path: Path, data: bytes, mode: int) -> None:
    # Created with its mode: a key is never readable by others, not even for a moment.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
