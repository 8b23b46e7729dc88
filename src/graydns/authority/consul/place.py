"""What a name below Consul's domain stands for.

::

    [TAG.]SERVICE.service[.DC]    _SERVICE._TAG.service[.DC]    _SERVICE._TAG[.DC]
    NODE.node[.DC]                HEX.addr[.DC]

The rightmost label that can only be such a word decides. Names and tags may have dots in them.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from graydns.model.name import labels


@frozen
class OfService:
    """Instances of *service*, of those with *tag* unless that is empty."""

    service: str
    tag: str = ""


@frozen
class OfNode:
    """The address of *node*."""

    node: str


@frozen
class OfAddress:
    """An address that the name itself spells, packed."""

    address: bytes


@frozen
class Empty:
    """Nothing is here, but names below this one exist."""


@frozen
class Nothing:
    """No name of this form can exist."""


@frozen
class Elsewhere:
    """It may exist, but Consul has to be asked: it is of another datacenter (*foreign*), or not a plain look-up."""

    foreign: bool


Place = OfService | OfNode | OfAddress | Empty | Nothing | Elsewhere

_LOOKED_UP = frozenset(("service", "node", "addr"))

#: Look-ups that need a Consul server: sidecar proxies, gateways, prepared queries.
_SERVERS_ONLY = frozenset(("connect", "ingress", "query"))

#: The tag that RFC 2782 names have for lack of another.
_ANY_TAG = "tcp"


def place(name: bytes, domain: bytes, datacenter: str) -> Place:
    """The Place of *name*, which is below *domain*, both lowered, in the Consul of *datacenter*."""
    try:
        parts = [label.decode() for label in labels(name[: len(name) - len(domain)] + b"\0")][:-1]
    except UnicodeDecodeError:
        return Nothing()
    here = datacenter.lower()
    for at in range(len(parts) - 1, -1, -1):
        word, above, below = parts[at], parts[:at], parts[at + 1 :]
        if word in _LOOKED_UP or word in _SERVERS_ONLY:
            return _judged(_looked_up(word, above), below, here)
        if word.startswith("_"):
            return _judged(_rfc2782(parts[: at + 1]), below, here)
    return Empty() if parts in ([], [here]) else Nothing()


def _judged(found: Place, below: Sequence[str], here: str) -> Place:
    """*found*, if *below*, the labels between it and the domain, are a datacenter or none: it has to be ours."""
    if len(below) > 1 or isinstance(found, Nothing):
        return Nothing()
    if not below or below[0] == here or isinstance(found, OfAddress):
        return found
    return Elsewhere(foreign=True)


def _looked_up(word: str, above: Sequence[str]) -> Place:
    if not above:
        return Empty()
    if word == "node":
        return OfNode(".".join(above)) if _can_be_asked(".".join(above)) else Nothing()
    if word == "addr":
        return _address(above)
    if word == "service":
        return _service(above)
    return Elsewhere(foreign=False)


def _service(above: Sequence[str]) -> Place:
    if above[-1].startswith("_"):
        return _rfc2782(above)
    return OfService(above[-1], ".".join(above[:-1])) if _can_be_asked(above[-1]) else Nothing()


def _rfc2782(parts: Sequence[str]) -> Place:
    """RFC 2782's form. Of a name that could be the second half of one, names below may exist."""
    if len(parts) == 1:
        return Empty()
    if len(parts) > 2 or not parts[0].startswith("_"):
        return Nothing()
    service, tag = parts[0][1:], parts[1][1:]
    return OfService(service, "" if tag == _ANY_TAG else tag) if _can_be_asked(service) else Nothing()


def _can_be_asked(name: str) -> bool:
    """Whether *name* can stand at the end of a path: Consul's HTTP interface refuses what is not printable, and leads
    elsewhere from empty segments and from those that go up."""
    return name.isprintable() and all(part not in ("", ".", "..") for part in name.removesuffix("/").split("/"))


def _address(above: Sequence[str]) -> Place:
    """RFC 4291 and IPv4 addresses as 32 and 8 hexadecimal digits."""
    text = above[0]
    if len(above) > 1 or len(text) not in (8, 32) or not set(text) <= set("0123456789abcdef"):
        return Nothing()
    return OfAddress(bytes.fromhex(text))


def spelled(address: bytes) -> bytes:
    """The label that spells a packed *address*."""
    return address.hex().encode()
