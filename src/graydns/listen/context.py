"""Context: what a TLS door presents and demands, and its replacement while the door is open."""

from __future__ import annotations

from pathlib import Path

from attrs import define, field
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from graydns.model.errors import ConfigError, Fault

#: RFC 7858 section 3.1 asks for no ALPN; this is the registered name for those who use it.
ALPN = b"dot"

#: Forward secrecy and authenticated encryption only (RFC 9325 section 4.2). TLS 1.3 has nothing else.
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"


class DrainedConnection(SSL.Connection):
    """A connection whose :meth:`recv` gives all there is, where OpenSSL's gives one record.

    It ends in one way only, as if by close_notify: for other ends Twisted makes a Failure that holds itself, and the
    connection with it, until a full collection.
    """

    _dry = False

    def recv(self, bufsiz: int, flags: int | None = None) -> bytes:
        """The plaintext of all whole records received; *bufsiz* bounds one. Raises WantReadError, ZeroReturnError."""
        if self._dry:
            self._dry = False
            raise SSL.WantReadError
        pieces: list[bytes] = []
        try:
            while True:
                pieces.append(super().recv(bufsiz, flags))
        except SSL.WantReadError:
            # The caller will ask once more; that is answered without asking OpenSSL again.
            self._dry = bool(pieces)
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
        context = _strict_context()
        self._load_pair(context)
        if self.client_ca is not None:
            self._load_client_ca(context, self.client_ca)
        self._context = context

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """One server side."""
        return DrainedConnection(self._context)

    def _load_pair(self, context: SSL.Context) -> None:
        try:
            leaf, *chain = x509.load_pem_x509_certificates(self.certificate.read_bytes())
            context.use_certificate(leaf)
            for each in chain:
                context.add_extra_chain_cert(each)
        except (OSError, ValueError, SSL.Error) as error:
            raise _fault(
                "certificate", self.certificate, error, "a PEM file with a certificate and its chain"
            ) from error
        try:
            context.use_privatekey(load_pem_private_key(self.key.read_bytes(), None))  # type: ignore[arg-type]
            context.check_privatekey()
        except (OSError, TypeError, ValueError, SSL.Error) as error:
            expected = f"a PEM file with the unencrypted private key of {self.certificate}"
            raise _fault("key", self.key, error, expected) from error

    def _load_client_ca(self, context: SSL.Context, path: Path) -> None:
        try:
            x509.load_pem_x509_certificates(path.read_bytes())
            context.load_verify_locations(path)
            context.load_client_ca(bytes(path))
        except (OSError, ValueError, SSL.Error) as error:
            raise _fault("client_ca", path, error, "a PEM file with certificates") from error
        context.set_verify(SSL.VERIFY_PEER)


def _strict_context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_RENEGOTIATION)
    context.set_cipher_list(CIPHERS)
    # Sessions resume from tickets, which clients keep, not from a store of ours. The id lets them resume
    # where client certificates are asked for too.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"graydns")
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_alpn_select_callback(_select)
    return context


def _select(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if ALPN in offered:
        return ALPN
    # RFC 7301 section 3.2: no common protocol is fatal. Twisted takes this error as a failed handshake.
    raise SSL.Error([("", "", "no application protocol")])


def _fault(key: str, path: Path, error: Exception, expected: str) -> ConfigError:
    if isinstance(error, OSError):
        found = error.strerror
    elif isinstance(error, SSL.Error):
        found = ", ".join(reason for _, _, reason in error.args[0])
    else:
        found = str(error)
    return ConfigError([Fault(("tls", key), f"{path} ({found})", expected)])
