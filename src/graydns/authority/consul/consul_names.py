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
class ConsulServiceName:
    """Instances of *service*, of those with *tag* unless that is empty."""

    service: str
    tag: str = ""


@frozen
class ConsulNodeName:
    """The address of *node*."""

    node: str


@frozen
class ConsulAddressName:
    """An address that the name itself spells, packed."""

    address: bytes


@frozen
class EmptyNonTerminal:
    """Nothing is here, but names below this one exist."""


@frozen
class NonexistentName:
    """No name of this form can exist."""


@frozen
class UnsupportedLookup:
    """It may exist, but Consul has to be asked: it is of another datacenter (*is_other_datacenter*), or not a plain
    look-up."""

    is_other_datacenter: bool


ConsulName = (
    ConsulServiceName | ConsulNodeName | ConsulAddressName | EmptyNonTerminal | NonexistentName | UnsupportedLookup
)

_LOOKUP_LABELS = frozenset(("service", "node", "addr"))

#: Look-ups that need a Consul server: sidecar proxies, gateways, prepared queries.
_SERVER_ONLY_LABELS = frozenset(("connect", "ingress", "query"))

#: The tag that RFC 2782 names have for lack of another.
_ANY_TAG = "tcp"


def parse_consul_name(name: bytes, domain: bytes, datacenter: str) -> ConsulName:
    """The ConsulName of *name*, which is below *domain*, both lowered, in the Consul of *datacenter*."""
    try:
        parts = [label.decode() for label in labels(name[: len(name) - len(domain)] + b"\0")][:-1]
    except UnicodeDecodeError:
        return NonexistentName()
    here = datacenter.lower()
    for at in range(len(parts) - 1, -1, -1):
        word, above, below = parts[at], parts[:at], parts[at + 1 :]
        if word in _LOOKUP_LABELS or word in _SERVER_ONLY_LABELS:
            return _check_datacenter(_parse_lookup(word, above), below, here)
        if word.startswith("_"):
            return _check_datacenter(_parse_rfc2782(parts[: at + 1]), below, here)
    return EmptyNonTerminal() if parts in ([], [here]) else NonexistentName()


def _check_datacenter(found: ConsulName, below: Sequence[str], here: str) -> ConsulName:
    """*found*, if *below*, the labels between it and the domain, are a datacenter or none: it has to be ours."""
    if len(below) > 1 or isinstance(found, NonexistentName):
        return NonexistentName()
    if not below or below[0] == here or isinstance(found, ConsulAddressName):
        return found
    return UnsupportedLookup(is_other_datacenter=True)


def _parse_lookup(word: str, above: Sequence[str]) -> ConsulName:
    if not above:
        return EmptyNonTerminal()
    if word == "node":
        return ConsulNodeName(".".join(above)) if _is_valid_path(".".join(above)) else NonexistentName()
    if word == "addr":
        return _parse_address(above)
    if word == "service":
        return _parse_service(above)
    return UnsupportedLookup(is_other_datacenter=False)


def _parse_service(above: Sequence[str]) -> ConsulName:
    if above[-1].startswith("_"):
        return _parse_rfc2782(above)
    return ConsulServiceName(above[-1], ".".join(above[:-1])) if _is_valid_path(above[-1]) else NonexistentName()


def _parse_rfc2782(parts: Sequence[str]) -> ConsulName:
    """RFC 2782's form. Of a name that could be the second half of one, names below may exist."""
    if len(parts) == 1:
        return EmptyNonTerminal()
    if len(parts) > 2 or not parts[0].startswith("_"):
        return NonexistentName()
    service, tag = parts[0][1:], parts[1][1:]
    return ConsulServiceName(service, "" if tag == _ANY_TAG else tag) if _is_valid_path(service) else NonexistentName()


def _is_valid_path(name: str) -> bool:
    """Whether *name* can stand at the end of a path: Consul's HTTP interface refuses what is not printable, and leads
    elsewhere from empty segments and from those that go up."""
    return name.isprintable() and all(part not in ("", ".", "..") for part in name.removesuffix("/").split("/"))


def _parse_address(above: Sequence[str]) -> ConsulName:
    """RFC 4291 and IPv4 addresses as 32 and 8 hexadecimal digits."""
    text = above[0]
    if len(above) > 1 or len(text) not in (8, 32) or not set(text) <= set("0123456789abcdef"):
        return NonexistentName()
    return ConsulAddressName(bytes.fromhex(text))


def encode_address_label(address: bytes) -> bytes:
    """The label that spells a packed *address*."""
    return address.hex().encode()
