"""What makes an exchange hard to guess."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graydns.upstream.exchange import POOL_BYTES, EntropyPool, randomize_case


@given(st.binary(min_size=1, max_size=255), st.data())
def test_mixing_turns_letters_only(name: bytes, data: st.DataObject) -> None:
    """Mixed and lowered again, a name is what it was, and all that is no letter never changed."""
    noise = data.draw(st.binary(min_size=len(name), max_size=len(name)))
    mixed = randomize_case(name, noise)
    assert mixed.lower() == name.lower()
    assert all(one == other or chr(one).isalpha() for one, other in zip(name, mixed, strict=True))


def test_noise_decides_each_letter() -> None:
    """All bits set turn every letter, none set turns none."""
    assert randomize_case(b"\3www\2Ab\0", b"\xff" * 8) == b"\3WWW\2aB\0"
    assert randomize_case(b"\3www\2Ab\0", bytes(8)) == b"\3www\2Ab\0"


def test_entropy_is_given_out_once() -> None:
    """Pieces have the size that was asked for, and no two are alike."""
    entropy = EntropyPool()
    pieces = [entropy.take(20) for _ in range(POOL_BYTES // 20 * 3)]
    assert {len(piece) for piece in pieces} == {20}
    assert len(set(pieces)) == len(pieces)
