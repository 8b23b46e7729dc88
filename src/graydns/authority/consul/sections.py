"""From the instances of a service, in the order of an answer, to its RRsets: as many as one message has room for.

Whatever does not fit goes from the end, so that a client keeps the instance that is its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graydns.authority.consul.entry import Entry
from graydns.authority.zone_data import StoredRRset
from graydns.model.answer import ADDITIONAL
from graydns.model.dns_parameters import AAAA, CNAME, IN, SRV, A
from graydns.wire.answer_body import MAX_RECORDS_BYTES, RECORD_OVERHEAD_BYTES, RRset, truncate_rdatas


def services(entries: Sequence[Entry], ttl: int) -> dict[int, StoredRRset]:
    """Their SRV records."""
    return {SRV: StoredRRset(ttl, truncate_rdatas(tuple(dict.fromkeys(one.srv for one in entries))))}


def addresses(entries: Sequence[Entry], qtype: int, ttl: int) -> dict[int, StoredRRset]:
    """Their addresses, those of *qtype* if that is a type of address; only if there is not one of either type, the
    first host name, alone as a CNAME has to be."""
    found = tuple(dict.fromkeys((one.rdtype, one.rdata) for one in entries if one.rdtype != CNAME))
    if not found:
        return {CNAME: StoredRRset(ttl, (entries[0].rdata,))}
    if qtype in (A, AAAA):
        found = tuple(one for one in found if one[0] == qtype)
    taken = found[: len(truncate_rdatas([rdata for _, rdata in found]))]
    types = sorted({rdtype for rdtype, _ in taken})
    return {kind: StoredRRset(ttl, tuple(rdata for rdtype, rdata in taken if rdtype == kind)) for kind in types}


def targets(entries: Sequence[Entry], told: StoredRRset, domain: bytes) -> Iterator[RRset]:
    """The addresses of the targets of the SRV records *told* that are names below *domain*, none of them required."""
    kept = frozenset(told.rdatas)
    left = MAX_RECORDS_BYTES - sum(RECORD_OVERHEAD_BYTES + len(rdata) for rdata in told.rdatas)
    unique = dict.fromkeys((one.target, one.rdtype, one.rdata) for one in entries if one.ours and one.srv in kept)
    for target, rdtype, rdata in unique:
        left -= len(target) - len(domain) + RECORD_OVERHEAD_BYTES + len(rdata)
        if left < 0:
            return
        yield RRset(ADDITIONAL, target, rdtype, IN, told.ttl, (rdata,), required=False)
