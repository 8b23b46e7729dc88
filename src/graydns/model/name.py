"""Domain names as graydns keeps them: uncompressed wire bytes, A-Z lowered, root label last.

Such bytes are dictionary keys, compare in O(n) C code and go into answers as they are. Text is
made only for people. A label may hold any byte, so bytes are never searched for dots or NULs.
"""

from __future__ import annotations

from collections.abc import Iterator

import dns.exception
import dns.name

ROOT = b"\0"


def from_text(text: str, origin: str | None = None) -> bytes:
    """Read presentation format (RFC 1035 section 5.1; IDNA 2008 for non-ASCII), lowered.

    Relative names are taken relative to *origin*, or to the root. Raises ValueError.
    """
    try:
        base = dns.name.root if origin is None else dns.name.from_text(origin)
        name = dns.name.from_text(text, base).canonicalize()
        return b"".join(bytes((len(label),)) + label for label in name.labels)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"not a domain name: {text!r}: {error}") from error


def to_text(name: bytes) -> str:
    """Presentation format without the final dot, every odd byte escaped (``\\DDD``); root is "."."""
    if name == ROOT:
        return "."
    return dns.name.Name(tuple(labels(name))).to_text(omit_final_dot=True)


def labels(name: bytes) -> Iterator[bytes]:
    """The labels, leftmost first, the empty root label included."""
    at = 0
    while length := name[at]:
        yield name[at + 1 : at + 1 + length]
        at += 1 + length
    yield b""


def parent(name: bytes) -> bytes:
    """*name* without its leftmost label; the root is its own parent."""
    return name[1 + name[0] :] if name != ROOT else name


def suffixes(name: bytes) -> Iterator[bytes]:
    """*name*, its parent, … down to and with the root."""
    at = 0
    while length := name[at]:
        yield name[at:]
        at += 1 + length
    yield ROOT


def is_within(name: bytes, zone: bytes) -> bool:
    """Whether *name* is *zone* or below it, label by label."""
    return name.endswith(zone) and any(suffix == zone for suffix in suffixes(name))
