"""Certificates made for a test, and TLS connections without sockets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer


@frozen
class Issued:
    """A certificate with its key, as values and as files."""

    certificate: x509.Certificate
    private: ec.EllipticCurvePrivateKey
    certificate_file: Path
    key_file: Path


def issue(
    folder: Path,
    common: str,
    names: Sequence[x509.GeneralName] = (),
    issuer: Issued | None = None,
    authority: bool = False,
) -> Issued:
    """A certificate for *common* with *names*, signed by *issuer* or by itself."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not common)
    certificate = builder.sign(issuer.private if issuer else private, SHA256())
    stem = folder / f"{certificate.serial_number:x}"
    stem.with_suffix(".crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    stem.with_suffix(".key").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Issued(certificate, private, stem.with_suffix(".crt"), stem.with_suffix(".key"))


@implementer(IOpenSSLClientConnectionCreator)
@frozen
class ClientTls:
    """How a client connects: what it offers by ALPN, the newest version it speaks, the certificate it shows."""

    alpn: tuple[bytes, ...] = (b"dot",)
    newest: int = SSL.TLS1_3_VERSION
    shown: Issued | None = None

    def connection(self) -> SSL.Connection:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(self.newest)
        if self.alpn:
            context.set_alpn_protos(list(self.alpn))
        if self.shown is not None:
            context.use_certificate_file(str(self.shown.certificate_file))
            context.use_privatekey_file(str(self.shown.key_file))
        connection = SSL.Connection(context)
        connection.set_connect_state()
        return connection

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:
        return self.connection()


def pump(client: SSL.Connection, server: SSL.Connection) -> bytes:
    """Carry everything both sides have to say to the other: what the server said. Raises what either raises."""
    said = b""
    for _ in range(8):
        for side, other in ((client, server), (server, client)):
            try:
                with suppress(SSL.WantReadError):
                    side.do_handshake()
            finally:
                octets = carry(side, other)
            said += octets if side is server else b""
    return said


def carry(side: SSL.Connection, other: SSL.Connection) -> bytes:
    """Carry what *side* has to say to *other*: what that was."""
    try:
        octets = side.bio_read(1 << 16)
    except SSL.WantReadError:
        return b""
    other.bio_write(octets)
    return octets
