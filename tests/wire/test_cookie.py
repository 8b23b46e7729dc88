from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graydns.wire import cookie

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
SOURCE = ip_address("198.51.100.100").packed
MADE = 1559731985
COOKIE = bytes.fromhex("2464c4abcf10c957010000005cf79f111f8130c3eee29480")


def test_learning() -> None:
    """RFC 9018 appendix A.1: a client learns a new server cookie."""
    assert cookie.make(SECRET, COOKIE[:8], SOURCE, MADE) == COOKIE
    assert cookie.renew([SECRET], COOKIE[:8], SOURCE, MADE + 0.9) == COOKIE


def test_renewal() -> None:
    """RFC 9018 appendix A.2: forty minutes later the same client gets a fresh one."""
    fresh = bytes.fromhex("2464c4abcf10c957010000005cf7a871d4a564a1442aca77")
    assert cookie.check([SECRET], COOKIE, SOURCE, 1559734385)
    assert cookie.renew([SECRET], COOKIE, SOURCE, 1559734385) == fresh


def test_reserved_octets() -> None:
    """RFC 9018 appendix A.3: reserved octets that are not zero are no reason to refuse a cookie."""
    source = ip_address("203.0.113.203").packed
    sent = bytes.fromhex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5")
    fresh = bytes.fromhex("fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e")
    now = 1559734700
    assert cookie.renew([SECRET], sent, source, now) == fresh
    # The appendix renews one of a hundred minutes; while it was young it was good.
    assert not cookie.check([SECRET], sent, source, now)
    assert cookie.check([SECRET], sent, source, int.from_bytes(sent[12:16], "big"))


def test_rollover() -> None:
    """RFC 9018 appendix A.4: a cookie of the previous secret is good, and replaced by one of the new."""
    old, new = bytes.fromhex("dd3bdf9344b678b185a6f5cb60fca715"), bytes.fromhex("445536bcd2513298075a5d379663c962")
    source = ip_address("2001:db8:220:1:59de:d0f4:8769:82b8").packed
    sent = bytes.fromhex("22681ab97d52c298010000005cf7c57926556bd0934c72f8")
    fresh = bytes.fromhex("22681ab97d52c298010000005cf7c609a6bb79d16625507a")
    now = 1559741961
    assert cookie.check([new, old], sent, source, now)
    assert not cookie.check([new], sent, source, now)
    assert cookie.renew([new, old], sent, source, now) == fresh


@pytest.mark.parametrize(
    ("age", "good"),
    [(-301, False), (-300, True), (0, True), (3600, True), (3601, False), (2**31, False), (-(2**31), False)],
)
def test_window(age: int, good: bool) -> None:
    """A cookie is good for an hour, and five minutes before it was made."""
    assert cookie.check([SECRET], COOKIE, SOURCE, MADE + age) is good


@pytest.mark.parametrize(
    ("age", "same"), [(-300, True), (0, True), (1800, True), (1801, False), (3601, False), (-301, False)]
)
def test_young(age: int, same: bool) -> None:
    """A cookie is answered with itself for half an hour."""
    renewed = cookie.renew([SECRET], COOKIE, SOURCE, MADE + age)
    assert (renewed == COOKIE) is same
    assert cookie.check([SECRET], renewed, SOURCE, MADE + age)


def test_wrong() -> None:
    """Another address, secret, version or length, any changed octet, and no cookie of ours at all are refused."""
    assert not cookie.check([SECRET], COOKIE, SOURCE[::-1], MADE)
    assert not cookie.check([SECRET[::-1]], COOKIE, SOURCE, MADE)
    assert not cookie.check([], COOKIE, SOURCE, MADE)
    for size in (8, 16, 23, 25, 40):
        assert not cookie.check([SECRET], (COOKIE + COOKIE)[:size], SOURCE, MADE)
    for at in range(24):
        changed = bytearray(COOKIE)
        changed[at] ^= 0x01
        assert not cookie.check([SECRET], bytes(changed), SOURCE, MADE)


def test_run_over() -> None:
    """Timestamps compare by serial number arithmetic when 32 bits run over."""
    made = cookie.make(SECRET, COOKIE[:8], SOURCE, 2**32 - 10)
    assert made[12:16] == b"\xff\xff\xff\xf6"
    assert cookie.check([SECRET], made, SOURCE, 2**32 + 100)
    assert not cookie.check([SECRET], made, SOURCE, 2**32 + 4000)


@settings(deadline=None, max_examples=100)
@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.sampled_from((4, 16)).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.integers(0, 2**33),
)
def test_made_is_good(secret: bytes, client: bytes, source: bytes, now: int) -> None:
    """What is made is good, keeps the client's part and has 24 octets."""
    made = cookie.make(secret, client, source, now)
    assert len(made) == 24
    assert made[:8] == client
    assert cookie.check([secret], made, source, now)
