"""CPU microseconds to read an NSEC and an NSEC3, to prove with them that a name does not exist, and of a flood.

python benchmarks/micro/denial.py
"""

from __future__ import annotations

import timeit
from base64 import b32hexencode
from collections.abc import Callable, Iterator
from functools import partial
from time import process_time

import dns.rdata
import dns.rdataclass

from graydns.dnssec.denial import AuthenticatedDenial, DenialKind
from graydns.dnssec.nsec3 import Nsec3Parameters
from graydns.dnssec.rrsets import SignedRRset
from graydns.dnssec.work_budget import ValidationLimits, WorkBudget
from graydns.model.answer import AUTHORITY
from graydns.model.name import from_text

ZONE = from_text("example.")
NAME, DEEP = from_text("gone.example."), from_text("a." * 60 + "example.")


def rrset(owner: str, rdtype: str, rdata: str) -> SignedRRset:
    """One record."""
    record = dns.rdata.from_text(dns.rdataclass.IN, rdtype, rdata)
    return SignedRRset(AUTHORITY, from_text(owner), int(record.rdtype), 1, 3600, (record.to_wire() or b"",))


def only_hash(iterations: int, salt: bytes) -> SignedRRset:
    """The NSEC3 of a zone that has no name but its apex."""
    digest = b32hexencode(Nsec3Parameters(iterations, salt).hash(ZONE)).decode()
    return rrset(f"{digest}.example.", "NSEC3", f"1 0 {iterations} {salt.hex() or '-'} {digest} NS SOA")


def prove(name: bytes, *rrsets: SignedRRset) -> None:
    """That *name* does not exist."""
    assert (
        AuthenticatedDenial(ZONE, rrsets, WorkBudget(ValidationLimits())).prove_nxdomain(name).kind is DenialKind.PROVEN
    )


def reread(records: Iterator[SignedRRset]) -> None:
    """That NAME does not exist, by a record that is another each time."""
    prove(NAME, next(records))


def others(record: SignedRRset) -> Iterator[SignedRRset]:
    """*record* with one more type after the other."""
    for window in range(1, 256):
        for bit in range(1, 256):
            yield record._replace(rdatas=(record.rdatas[0] + bytes((window, 1, bit)),))


def show(text: str, work: Callable[[], None], count: int) -> None:
    """Print what *work* costs, the best of several times."""
    best = min(timeit.repeat(work, number=count, repeat=9, timer=process_time)) / count
    print(f"{text:<60}{best * 1e6:>10.1f} µs")


def main() -> None:
    """Measure and print."""
    apex = rrset("example.", "NSEC", "example. NS SOA RRSIG NSEC DNSKEY")
    for text, record in {"NSEC": apex, "NSEC3, no iterations": only_hash(0, b"")}.items():
        work = partial(prove, NAME, record)
        show(f"{text}: one record, seen before", work, 300)
        show(f"{text}: one record, read again", partial(reread, others(record)), 300)
    for iterations, salt in ((0, 0), (150, 0), (150, 255)):
        work = partial(prove, DEEP, only_hash(iterations, bytes(salt)))
        show(f"a flood: 62 names, {iterations} iterations, {salt} octets of salt", work, 20)


if __name__ == "__main__":
    main()
