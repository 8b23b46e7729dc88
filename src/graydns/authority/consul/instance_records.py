"""Entries: an instance or a node as records that differ only in their owner and TTL.

From the instances of a service, in the order of an answer, to its RRsets: as many as one message has room for.

Whatever does not fit goes from the end, so that a client keeps the instance that is its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from struct import Struct
from typing import NamedTuple

from graydns.authority.consul.consul_names import encode_address_label
from graydns.authority.zone_data import StoredRRset
from graydns.model.answer import ADDITIONAL
from graydns.model.catalog import ServiceInstance, host_record
from graydns.model.dns_parameters import AAAA, CNAME, IN, SRV, A
from graydns.wire.answer_body import MAX_RECORDS_BYTES, RECORD_OVERHEAD_BYTES, RRset, truncate_rdatas

#: What every SRV record of Consul's has for a priority.
SRV_PRIORITY = 1

_SRV_STRUCT = Struct(">HHH")
_MAX_UINT16 = 0xFFFF

#: Octets of a character string, of a label and of a name (RFC 1035 section 2.3.4).
_MAX_STRING_BYTES, _MAX_LABEL_BYTES, _MAX_NAME_BYTES = 255, 63, 255


class InstanceRecord(NamedTuple):
    """One instance.

    *rdtype*, *rdata*: what it is reached at: A, AAAA or CNAME. *srv*: its SRV rdata, empty = it has no port. *target*:
    the name that stands in it. *is_synthesized*: whether that is a name of the domain, made for its address.
    """

    rdtype: int
    rdata: bytes
    srv: bytes
    target: bytes
    is_synthesized: bool


def make_instance_record(instance: ServiceInstance, suffix: bytes) -> InstanceRecord | None:
    """The InstanceRecord of *instance*; None if what it has for an address is none. *suffix*: datacenter and domain."""
    found = host_record(instance.host)
    if found is None:
        return None
    rdtype, rdata = found
    target = rdata if rdtype == CNAME else _make_srv_target(instance, rdata, suffix)
    weight = min(instance.weight, _MAX_UINT16)
    srv = b"" if instance.port is None else _SRV_STRUCT.pack(SRV_PRIORITY, weight, instance.port) + target
    return InstanceRecord(rdtype, rdata, srv, target, rdtype != CNAME)


def _make_srv_target(instance: ServiceInstance, address: bytes, suffix: bytes) -> bytes:
    """The node's name, if the address is the node's and the name can be one; else the address spelled."""
    name = None if instance.address else _encode_name(instance.node.lower().split("."), b"\4node" + suffix)
    return _encode_name([encode_address_label(address).decode()], b"\4addr" + suffix) or b"" if name is None else name


def _encode_name(parts: list[str], suffix: bytes) -> bytes | None:
    encoded = [part.encode() for part in parts]
    if not all(0 < len(label) <= _MAX_LABEL_BYTES for label in encoded):
        return None
    name = b"".join(bytes((len(label),)) + label for label in encoded) + suffix
    return name if len(name) <= _MAX_NAME_BYTES else None


def encode_node_meta(meta: Mapping[str, str]) -> tuple[bytes, ...]:
    """TXT rdata of a node's *meta*: ``key=value`` as in RFC 1464, but of a key that begins with rfc1035- its value."""
    return tuple(
        _encode_strings((value if key.startswith("rfc1035-") else f"{_quote_key(key)}={value}").encode())
        for key, value in sorted(meta.items())
    )


def _quote_key(key: str) -> str:
    return key.replace("`", "``").replace("=", "`=")


def _encode_strings(data: bytes) -> bytes:
    parts = [data[at : at + _MAX_STRING_BYTES] for at in range(0, len(data), _MAX_STRING_BYTES)] or [b""]
    return b"".join(bytes((len(part),)) + part for part in parts)


def build_srv_records(entries: Sequence[InstanceRecord], ttl: int) -> dict[int, StoredRRset]:
    """Their SRV records."""
    return {SRV: StoredRRset(ttl, truncate_rdatas(tuple(dict.fromkeys(one.srv for one in entries))))}


def build_address_records(entries: Sequence[InstanceRecord], qtype: int, ttl: int) -> dict[int, StoredRRset]:
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


def iterate_target_addresses(entries: Sequence[InstanceRecord], told: StoredRRset, domain: bytes) -> Iterator[RRset]:
    """The addresses of the targets of the SRV records *told* that are names below *domain*, none of them required."""
    kept = frozenset(told.rdatas)
    left = MAX_RECORDS_BYTES - sum(RECORD_OVERHEAD_BYTES + len(rdata) for rdata in told.rdatas)
    unique = dict.fromkeys(
        (one.target, one.rdtype, one.rdata) for one in entries if one.is_synthesized and one.srv in kept
    )
    for target, rdtype, rdata in unique:
        left -= len(target) - len(domain) + RECORD_OVERHEAD_BYTES + len(rdata)
        if left < 0:
            return
        yield RRset(ADDITIONAL, target, rdtype, IN, told.ttl, (rdata,), required=False)
