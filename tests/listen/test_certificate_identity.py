from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL.crypto import X509

from graydns.listen.tls_context import read_certificate_identity
from tests.listen.certificates import issue

HOST, OTHER = x509.DNSName("QA-Laptop.shop.test"), x509.DNSName("other.shop.test")
URI = x509.UniformResourceIdentifier("spiffe://shop.test/qa")
ADDRESS = x509.IPAddress(ip_address("192.0.2.1"))


@pytest.mark.parametrize(
    ("common", "names", "identity"),
    [
        ("qa", [URI, HOST, OTHER], "tls:qa-laptop.shop.test"),
        ("qa", [ADDRESS, URI], "tls:spiffe://shop.test/qa"),
        ("QA laptop", [ADDRESS], "tls:QA laptop"),
        ("QA laptop", [], "tls:QA laptop"),
        ("", [ADDRESS], None),
    ],
)
def test_the_best_name_of_a_certificate_is_its_identity(
    tmp_path: Path, common: str, names: list[x509.GeneralName], identity: str | None
) -> None:
    """DNS names come before URIs, and those before the common name; without any, nobody is named."""
    certificate = X509.from_cryptography(issue(tmp_path, common, names).certificate)
    assert read_certificate_identity(certificate) == identity


def test_no_certificate_names_nobody() -> None:
    """A client without a certificate has no TLS identity."""
    assert read_certificate_identity(None) is None
