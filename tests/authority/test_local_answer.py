"""What the zones say, completed by others."""

from __future__ import annotations

from graydns.authority.local_answer import LocalAnswer
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.name import from_text


def test_a_chain_that_others_complete_is_as_good_as_our_part() -> None:
    """Nobody signed that: what was secure of the rest is not called so, and what was found of it is not lost."""
    for security, expected in ((Security.SECURE, Security.INSECURE), (Security.INSECURE, Security.INSECURE)):
        answer = LocalAnswer(from_text("www.shop.test.")).complete(0, (), proof=ValidationStatus(security)).to_answer()
        assert answer.security is Security.INDETERMINATE
        assert answer.proof is not None
        assert answer.proof.security is expected
    assert LocalAnswer(from_text("www.shop.test.")).complete(0, ()).to_answer().proof is None
