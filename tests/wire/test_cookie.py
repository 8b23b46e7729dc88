from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from graydns.wire import edns

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
SOURCE = ip_address("198.51.100.100").packed
MADE = 1559731985
COOKIE = bytes.fromhex("2464c4abcf10c957010000005cf79f111f8130c3eee29480")


def test_learning() -> None:
    """RFC 9018 appendix A.1: a client learns a new server cookie."""
    assert edns.make_cookie(SECRET, COOKIE[:8], SOURCE, MADE + 0.9) == COOKIE


def test_renewal() -> None:
    """RFC 9018 appendix A.2: forty minutes later the same client gets a fresh one."""
    fresh = bytes.fromhex("2464c4abcf10c957010000005cf7a871d4a564a1442aca77")
    assert edns.make_cookie(SECRET, COOKIE[:8], SOURCE, 1559734385) == fresh


def test_rollover() -> None:
    """RFC 9018 appendix A.4: a client behind IPv6 gets a cookie of the new secret."""
    secret = bytes.fromhex("445536bcd2513298075a5d379663c962")
    source = ip_address("2001:db8:220:1:59de:d0f4:8769:82b8").packed
    fresh = bytes.fromhex("22681ab97d52c298010000005cf7c609a6bb79d16625507a")
    assert edns.make_cookie(secret, fresh[:8], source, 1559741961) == fresh


def test_run_over() -> None:
    """Timestamps go on from 0 when 32 bits run over."""
    assert edns.make_cookie(SECRET, COOKIE[:8], SOURCE, 2**32 - 10)[12:16] == b"\xff\xff\xff\xf6"
    assert edns.make_cookie(SECRET, COOKIE[:8], SOURCE, 2**32 + 1)[12:16] == b"\0\0\0\1"


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.sampled_from((4, 16)).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.integers(0, 2**33),
)
def test_made_is_whole(secret: bytes, client: bytes, source: bytes, now: int) -> None:
    """What is made keeps the client's part and has 24 octets."""
    made = edns.make_cookie(secret, client, source, now)
    assert len(made) == 24
    assert made[:8] == client
