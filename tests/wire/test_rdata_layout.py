"""The beginning of an RRSIG, as dnspython reads it."""

from __future__ import annotations

import dns.rdata
import dns.rdtypes.ANY.RRSIG
import pytest
from dns.rdataclass import IN
from dns.rdatatype import RRSIG
from hypothesis import given
from hypothesis import strategies as st

from graydns.wire import rdata_layout
from graydns.wire.message import MalformedMessageError

LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=3)

FIXED = rdata_layout.RRSIG_STRUCT.pack(1, 13, 2, 300, 2, 1, 4711)


def encoded(labels: list[bytes]) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


@given(LABELS, st.binary(max_size=70), st.integers(0, 65535), st.binary(max_size=20))
def test_reads_what_dnspython_reads(labels: list[bytes], octets: bytes, covered: int, before: bytes) -> None:
    """Type, signer in lower case, and where the signature starts, wherever the rdata lie."""
    rdata = covered.to_bytes(2) + FIXED[2:] + encoded(labels) + octets
    data, at = before + rdata + b"after", len(before)
    signer, past = rdata_layout.read_signer(data, at, at + len(rdata))
    theirs = dns.rdata.from_wire(IN, RRSIG, rdata, 0, len(rdata))
    assert isinstance(theirs, dns.rdtypes.ANY.RRSIG.RRSIG)
    assert rdata_layout.read_type_covered(data, at) == theirs.type_covered
    assert signer == theirs.signer.canonicalize().to_wire()
    assert data[past : at + len(rdata)] == theirs.signature


@pytest.mark.parametrize(
    "rdata",
    [
        b"",
        FIXED[:-1],
        FIXED,  # no signer
        FIXED + b"\4test",  # a signer without end
        FIXED + b"\4tes",
        FIXED + b"\xc0\0",  # a compressed one
        FIXED + b"\x40" + b"a" * 64 + b"\0",
        FIXED + b"\x3f" * 64 * 4 + b"\0",  # 257 octets
    ],
)
def test_what_is_no_name_is_refused(rdata: bytes) -> None:
    """Also where more octets follow the rdata, of the next record."""
    for after in (b"", b"\0", bytes(300)):
        with pytest.raises(MalformedMessageError):
            rdata_layout.read_signer(b"\4test\0" + rdata + after, 6, 6 + len(rdata))


@given(st.binary(max_size=300))
def test_no_octets_raise_anything_else(data: bytes) -> None:
    try:
        signer, past = rdata_layout.read_signer(data, 0, len(data))
    except MalformedMessageError:
        return
    assert 18 < past <= len(data)
    assert len(signer) == past - 18


@given(st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1))
def test_times_wrap_around(moment: int, seconds: int) -> None:
    """What is so many seconds later is that, on whichever side of 2106 the two are."""
    assert rdata_layout.subtract_serials((moment + seconds) % 2**32, moment) == seconds
