from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from OpenSSL import SSL

from graydns.listen.tls_context import TlsContext
from graydns.model.errors import ConfigError
from tests.listen.certificates import ClientTls, Issued, carry, issue, pump


@pytest.fixture
def pair(tmp_path: Path) -> Issued:
    return issue(tmp_path, "server.test")


@pytest.fixture
def context(pair: Issued) -> TlsContext:
    return TlsContext(pair.certificate_file, pair.key_file)


def shake(context: TlsContext, client: SSL.Connection) -> SSL.Connection:
    """The server's side of a handshake that is done; raises what either side raises."""
    server = context.serverConnectionForTLS(None)
    server.set_accept_state()
    pump(client, server)
    return server


@pytest.mark.parametrize(("newest", "name"), [(SSL.TLS1_2_VERSION, "TLSv1.2"), (SSL.TLS1_3_VERSION, "TLSv1.3")])
def test_tls_1_2_and_1_3_are_spoken(context: TlsContext, newest: int, name: str) -> None:
    """Both versions do a handshake, with forward secrecy."""
    server = shake(context, ClientTls(newest=newest).connection())
    assert server.get_protocol_version_name() == name
    assert (server.get_cipher_name() or "").startswith(("ECDHE", "TLS_"))


def test_tls_1_1_is_refused(context: TlsContext) -> None:
    """A ClientHello that knows no better than TLS 1.1 gets the alert protocol_version."""
    hello = b"\x03\x02" + bytes(32) + b"\0" + b"\0\2\xc0\x13" + b"\1\0"
    server = context.serverConnectionForTLS(None)
    server.set_accept_state()
    message = b"\1" + len(hello).to_bytes(3, "big") + hello
    server.bio_write(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)
    with pytest.raises(SSL.Error):
        server.do_handshake()
    assert server.bio_read(100)[-2:] == bytes((2, 70))


@pytest.mark.parametrize("offered", [(b"dot",), (b"h2", b"dot")])
def test_dot_is_chosen_when_offered(context: TlsContext, offered: tuple[bytes, ...]) -> None:
    """The registered protocol name of RFC 7858 is what is agreed on."""
    assert shake(context, ClientTls(offered).connection()).get_alpn_proto_negotiated() == b"dot"


def test_no_alpn_is_fine(context: TlsContext) -> None:
    """A client that offers nothing gets nothing, and is served."""
    assert shake(context, ClientTls(()).connection()).get_alpn_proto_negotiated() == b""


def test_other_protocols_are_refused(context: TlsContext) -> None:
    """A client that wants to speak something else hears no_application_protocol (RFC 7301 section 3.2)."""
    client = ClientTls((b"h2",)).connection()
    with pytest.raises(SSL.Error):
        shake(context, client)
    with pytest.raises(SSL.Error, match="no application protocol"):
        client.do_handshake()


def test_renegotiation_is_refused(context: TlsContext) -> None:
    """A client that asks for a second handshake hears no_renegotiation."""
    client = ClientTls(newest=SSL.TLS1_2_VERSION).connection()
    server = shake(context, client)
    assert client.renegotiate()
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    carry(client, server)
    with pytest.raises(SSL.WantReadError):
        server.recv(100)
    carry(server, client)
    with pytest.raises(SSL.Error, match="no renegotiation"):
        client.do_handshake()


def test_sessions_resume(tmp_path: Path, pair: Issued) -> None:
    """A client that comes back is not shown the certificate again, also where client certificates are asked for."""
    context = TlsContext(pair.certificate_file, pair.key_file, issue(tmp_path, "ca", authority=True).certificate_file)
    first = ClientTls(newest=SSL.TLS1_2_VERSION).connection()
    again = SSL.Connection(first.get_context())
    again.set_connect_state()
    shown = []
    for client in (first, again):
        if (session := first.get_session()) is not None and client is again:
            again.set_session(session)
        server = context.serverConnectionForTLS(None)
        server.set_accept_state()
        shown.append(pair.certificate.public_bytes(Encoding.DER) in pump(client, server))
        client.send(b"x")
        carry(client, server)
        assert server.recv(1) == b"x"
    assert shown == [True, False]


def test_one_read_gives_all_records(context: TlsContext) -> None:
    """Plaintext comes out whole, however many records it was sent in, then the end of it is told."""
    client = ClientTls().connection()
    server = shake(context, client)
    for _ in range(50):
        client.send(b"0123456789")
    carry(client, server)
    assert server.recv(1 << 15) == b"0123456789" * 50
    for _ in range(2):
        with pytest.raises(SSL.WantReadError):
            server.recv(1 << 15)


def test_a_close_behind_records_is_told_after_them(context: TlsContext) -> None:
    """Nothing that was sent before close_notify is lost."""
    client = ClientTls().connection()
    server = shake(context, client)
    client.send(b"0123456789")
    client.shutdown()
    carry(client, server)
    assert server.recv(1 << 15) == b"0123456789"
    with pytest.raises(SSL.ZeroReturnError):
        server.recv(1 << 15)


def test_a_forged_record_behind_good_ones_ends_the_connection_after_them(context: TlsContext) -> None:
    """A record that cannot be decrypted takes nothing from what came before it, and the client hears why."""
    client = ClientTls().connection()
    server = shake(context, client)
    client.send(b"0123456789")
    carry(client, server)
    server.bio_write(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert server.recv(1 << 15) == b"0123456789"
    with pytest.raises(SSL.ZeroReturnError):
        server.recv(1 << 15)
    carry(server, client)
    with pytest.raises(SSL.Error, match="bad record mac"):
        client.recv(100)


def presented(context: TlsContext) -> int:
    """The serial number of the certificate a new connection sees."""
    client = ClientTls().connection()
    shake(context, client)
    certificate = client.get_peer_certificate()
    assert certificate is not None
    return certificate.to_cryptography().serial_number


def test_reloading_takes_up_a_new_pair(tmp_path: Path, pair: Issued, context: TlsContext) -> None:
    """New connections see the certificate that is in the file after a reload."""
    assert presented(context) == pair.certificate.serial_number
    renewed = issue(tmp_path, "server.test")
    pair.certificate_file.write_bytes(renewed.certificate_file.read_bytes())
    pair.key_file.write_bytes(renewed.key_file.read_bytes())
    context.reload()
    assert presented(context) == renewed.certificate.serial_number


def test_a_pair_that_does_not_fit_leaves_the_old_in_force(tmp_path: Path, pair: Issued, context: TlsContext) -> None:
    """A certificate without its key is refused by name, and connections go on as before."""
    pair.certificate_file.write_bytes(issue(tmp_path, "server.test").certificate_file.read_bytes())
    with pytest.raises(ConfigError) as caught:
        context.reload()
    (fault,) = caught.value.issues
    assert fault.path == ("tls", "key")
    assert "mismatch" in fault.found
    assert str(pair.key_file) in fault.found
    assert presented(context) == pair.certificate.serial_number


def test_what_is_wrong_with_files_is_said(tmp_path: Path, pair: Issued) -> None:
    """Missing, empty and encrypted files are faults of their own key, with the file's name."""
    missing, empty, encrypted = tmp_path / "missing", tmp_path / "empty", tmp_path / "encrypted"
    empty.write_bytes(b"")
    encrypted.write_bytes(
        pair.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    cases: dict[tuple[str, str], list[tuple[Path, Path, Path | None]]] = {
        ("tls", "certificate"): [(missing, pair.key_file, None), (empty, pair.key_file, None)],
        ("tls", "key"): [(pair.certificate_file, path, None) for path in (missing, empty, encrypted)],
        ("tls", "client_ca"): [(pair.certificate_file, pair.key_file, path) for path in (missing, empty)],
    }
    for path, files in cases.items():
        for certificate, key, client_ca in files:
            with pytest.raises(ConfigError) as caught:
                TlsContext(certificate, key, client_ca)
            (fault,) = caught.value.issues
            assert fault.path == path
            assert str(tmp_path) in fault.found


def test_the_chain_is_presented(tmp_path: Path) -> None:
    """What follows the certificate in its file goes to the client too."""
    root = issue(tmp_path, "root", authority=True)
    middle = issue(tmp_path, "middle", issuer=root, authority=True)
    leaf = issue(tmp_path, "server.test", issuer=middle)
    leaf.certificate_file.write_bytes(leaf.certificate_file.read_bytes() + middle.certificate_file.read_bytes())
    client = ClientTls().connection()
    shake(TlsContext(leaf.certificate_file, leaf.key_file), client)
    assert len(client.get_peer_cert_chain() or ()) == 2


def test_client_certificates_are_optional_but_never_wrong(tmp_path: Path, pair: Issued) -> None:
    """With ``client_ca``, a certificate from there and none at all are fine; from elsewhere it fails the handshake."""
    authority, stranger = issue(tmp_path, "ca", authority=True), issue(tmp_path, "other ca", authority=True)
    context = TlsContext(pair.certificate_file, pair.key_file, authority.certificate_file)
    assert shake(context, ClientTls().connection()).get_peer_certificate() is None
    shown = issue(tmp_path, "qa-laptop", issuer=authority)
    assert shake(context, ClientTls(shown=shown).connection()).get_peer_certificate() is not None
    with pytest.raises(SSL.Error):
        shake(context, ClientTls(shown=issue(tmp_path, "qa-laptop", issuer=stranger)).connection())


def test_without_client_ca_no_certificate_is_asked_for(tmp_path: Path, context: TlsContext) -> None:
    """A certificate that nobody verified gives nobody an identity."""
    server = shake(context, ClientTls(shown=issue(tmp_path, "qa-laptop")).connection())
    assert server.get_peer_certificate() is None
