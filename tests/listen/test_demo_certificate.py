from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from graydns.listen.tls_context import DEMO_CERTIFICATE_NAMES, TlsContext, write_demo_certificate


def test_the_demo_gets_a_certificate_for_this_machine(tmp_path: Path) -> None:
    """The pair can be loaded, is ECDSA P-256 for localhost, and the key is its owner's alone."""
    certificate, key = tmp_path / "var" / "dot.crt", tmp_path / "var" / "dot.key"
    assert write_demo_certificate(certificate, key)
    TlsContext(certificate, key)
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    public = made.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"
    assert tuple(made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == DEMO_CERTIFICATE_NAMES
    assert key.stat().st_mode & 0o777 == 0o600


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    """If either file exists, neither is written."""
    certificate, key = tmp_path / "dot.crt", tmp_path / "dot.key"
    for present, absent in ((certificate, key), (key, certificate)):
        present.write_text("mine")
        assert not write_demo_certificate(certificate, key)
        assert present.read_text() == "mine"
        assert not absent.exists()
        present.unlink()
