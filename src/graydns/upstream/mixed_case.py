"""Random letter case in a question: some ten more bits that a forger must guess (draft-vixie-dnsext-dns0x20).

A server repeats the question as it was asked, so a reply in other letters is not the reply to this question.
"""

from __future__ import annotations

#: For each octet the bit that turns its case, 0 for what is no letter. Label lengths are below "A", so they stay.
_CASE_BITS = bytes(0x20 if chr(octet).isascii() and chr(octet).isalpha() else 0 for octet in range(256))


def mix(name: bytes, noise: bytes) -> bytes:
    """*name* (wire form) with the case of each letter turned where *noise*, as long as *name*, says so."""
    letters = int.from_bytes(name.translate(_CASE_BITS), "big")
    turned = int.from_bytes(name, "big") ^ (letters & int.from_bytes(noise, "big"))
    return turned.to_bytes(len(name), "big")
