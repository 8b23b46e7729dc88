"""Entries: an instance or a node as records that differ only in their owner and TTL."""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import NamedTuple

from graydns.authority.consul.place import spelled
from graydns.model.catalog import Instance
from graydns.model.dns_parameters import CNAME
from graydns.model.ip_addresses import host_record

#: What every SRV record of Consul's has for a priority.
PRIORITY = 1

_SRV = Struct(">HHH")
_LARGEST = 0xFFFF

#: Octets of a character string, of a label and of a name (RFC 1035 section 2.3.4).
_STRING, _LABEL, _NAME = 255, 63, 255


class Entry(NamedTuple):
    """One instance.

    *rdtype*, *rdata*: what it is reached at: A, AAAA or CNAME. *srv*: its SRV rdata, empty = it has no port. *target*:
    the name that stands in it. *ours*: whether that is a name of the domain, made for its address.
    """

    rdtype: int
    rdata: bytes
    srv: bytes
    target: bytes
    ours: bool


def entry(instance: Instance, suffix: bytes) -> Entry | None:
    """The Entry of *instance*; None if what it has for an address is none. *suffix*: datacenter and domain."""
    found = host_record(instance.host)
    if found is None:
        return None
    rdtype, rdata = found
    target = rdata if rdtype == CNAME else _target(instance, rdata, suffix)
    weight = min(instance.weight, _LARGEST)
    srv = b"" if instance.port is None else _SRV.pack(PRIORITY, weight, instance.port) + target
    return Entry(rdtype, rdata, srv, target, rdtype != CNAME)


def _target(instance: Instance, address: bytes, suffix: bytes) -> bytes:
    """The node's name, if the address is the node's and the name can be one; else the address spelled."""
    name = None if instance.address else _name(instance.node.lower().split("."), b"\4node" + suffix)
    return _name([spelled(address).decode()], b"\4addr" + suffix) or b"" if name is None else name


def _name(parts: list[str], suffix: bytes) -> bytes | None:
    encoded = [part.encode() for part in parts]
    if not all(0 < len(label) <= _LABEL for label in encoded):
        return None
    name = b"".join(bytes((len(label),)) + label for label in encoded) + suffix
    return name if len(name) <= _NAME else None


def texts(meta: Mapping[str, str]) -> tuple[bytes, ...]:
    """TXT rdata of a node's *meta*: ``key=value`` as in RFC 1464, but of a key that begins with rfc1035- its value."""
    return tuple(
        _strings((value if key.startswith("rfc1035-") else f"{_quoted(key)}={value}").encode())
        for key, value in sorted(meta.items())
    )


def _quoted(key: str) -> str:
    return key.replace("`", "``").replace("=", "`=")


def _strings(data: bytes) -> bytes:
    parts = [data[at : at + _STRING] for at in range(0, len(data), _STRING)] or [b""]
    return b"".join(bytes((len(part),)) + part for part in parts)
