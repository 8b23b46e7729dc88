"""A writer of small MaxMind databases (format 2.0, 24-bit records), enough to be read back by maxminddb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Network, ip_network

Value = str | int | Sequence["Value"] | Mapping[str, "Value"]

_METADATA_MARK = b"\xab\xcd\xefMaxMind.com"
_STRING, _UINT32, _MAP, _ARRAY = 2, 6, 7, 11


def write(places: Mapping[str, Value], ip_version: int = 6) -> bytes:
    """A database of networks (CIDR) and their records; networks may nest."""
    data = b""
    offsets: dict[str, int] = {}
    for cidr, record in places.items():
        offsets[cidr] = len(data)
        data += _encode(record)
    nodes: list[list[int | str | None]] = [[None, None]]
    for cidr in sorted(places, key=lambda text: ip_network(text).prefixlen):
        _insert(nodes, _bits(cidr, ip_version), cidr)
    tree = b"".join(_pointer(child, len(nodes), offsets) for node in nodes for child in node)
    metadata: Value = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1,
        "database_type": "Test",
        "description": {"en": "for tests"},
        "ip_version": ip_version,
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": 24,
    }
    return tree + bytes(16) + data + _METADATA_MARK + _encode(metadata)


def _bits(cidr: str, ip_version: int) -> str:
    network = ip_network(cidr)
    if isinstance(network, IPv6Network):
        return f"{int(network.network_address):0128b}"[: network.prefixlen]
    within = f"{int(network.network_address):032b}"[: network.prefixlen]
    return within if ip_version == 4 else "0" * 96 + within


def _insert(nodes: list[list[int | str | None]], bits: str, cidr: str) -> None:
    at = 0
    for bit in map(int, bits[:-1]):
        child = nodes[at][bit]
        if not isinstance(child, int):  # split what covers this network
            nodes.append([child, child])
            child = nodes[at][bit] = len(nodes) - 1
        at = child
    nodes[at][int(bits[-1])] = cidr


def _pointer(child: int | str | None, count: int, offsets: Mapping[str, int]) -> bytes:
    if child is None:
        return count.to_bytes(3, "big")
    return (child if isinstance(child, int) else count + 16 + offsets[child]).to_bytes(3, "big")


def _encode(value: Value) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        return _control(_STRING, len(raw)) + raw
    if isinstance(value, int):
        raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return _control(_UINT32, len(raw)) + raw
    if isinstance(value, Mapping):
        return _control(_MAP, len(value)) + b"".join(_encode(key) + _encode(item) for key, item in value.items())
    return _control(_ARRAY, len(value)) + b"".join(map(_encode, value))


def _control(kind: int, size: int) -> bytes:
    """Type and size (below 285) of a field; types above 7 are extended."""
    small, more = (size, b"") if size < 29 else (29, bytes((size - 29,)))
    return bytes((kind << 5 | small,)) + more if kind <= 7 else bytes((small, kind - 7)) + more
