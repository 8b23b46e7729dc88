"""What the zones say, completed by others."""

from __future__ import annotations

from graydns.authority.found import Found
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.name import from_text


def test_a_chain_that_others_complete_is_as_good_as_our_part() -> None:
    """Nobody signed that: what was secure of the rest is not called so, and what was found of it is not lost."""
    for security, expected in ((Security.SECURE, Security.INSECURE), (Security.INSECURE, Security.INSECURE)):
        answer = Found(from_text("www.shop.test.")).completed(0, (), proof=ValidationStatus(security)).answer()
        assert answer.security is Security.INDETERMINATE
        assert answer.proof is not None
        assert answer.proof.security is expected
    assert Found(from_text("www.shop.test.")).completed(0, ()).answer().proof is None
