"""Which network a client's address is in, and where that is by the geo database.

Rules find networks by an index of their own: the innermost one wins.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from graydns.gray.dimensions.dimension import (
    Dimension,
    ExplainedQuery,
    Reads,
    are_compatible,
    equals,
    format_mismatch,
)
from graydns.gray.geo import fold_city
from graydns.model.client import Subnet
from graydns.model.errors import PolicyIssues

#: The lowest rank of a network; below it are locations.
_RANK_OF_NETWORKS = 4


def parse_network(text: str, issues: PolicyIssues, *steps: str) -> Subnet | None:
    """A CIDR without bits after its prefix; its issues are at *steps* under *issues*."""
    try:
        network = ip_network(text)
    except ValueError as error:
        issues.add(f"{text!r} ({error})", "a network in CIDR notation, no bits set after the prefix", *steps)
        return None
    return Subnet(network.network_address.packed, network.prefixlen)


def narrow_networks(source: Subnet | None, subnet: Subnet | None, issues: PolicyIssues) -> Subnet | None:
    """The network to test for ``source`` and ``subnet``, None for neither: to be in both is to be in the narrower.

    Where a client has a subnet, ``source`` tests it too, so two networks apart are an issue: no client is in both.
    """
    if source is None or subnet is None:
        return source or subnet
    narrow, wide = (source, subnet) if source.prefix > subnet.prefix else (subnet, source)
    if not _contains(wide, narrow):
        issues.add("source and subnet apart from each other", "networks one of which is in the other", "subnet")
    return narrow


def format_network(network: Subnet) -> str:
    """CIDR notation."""
    return f"{ip_address(network.address)}/{network.prefix}"


def _contains(wide: Subnet, narrow: Subnet) -> bool:
    if len(wide.address) != len(narrow.address):
        return False
    host_bits = 8 * len(wide.address) - wide.prefix
    return int.from_bytes(wide.address, "big") >> host_bits == int.from_bytes(narrow.address, "big") >> host_bits


def _rank_network(network: Subnet) -> int:
    return _RANK_OF_NETWORKS + network.prefix


def _explain_network(key: str, network: Subnet, address: Subnet) -> str | None:
    if ip_address(address.address) not in ip_network((network.address, network.prefix)):
        return f"{key}: {format_network(address)} is not in {format_network(network)}"
    if network.prefix > address.prefix:
        return f"{key}: {format_network(address)} is wider than {format_network(network)}"
    return None


def _explain_source(network: Subnet, seen: ExplainedQuery) -> str | None:
    return _explain_network("source", network, seen.address)


def _explain_subnet(network: Subnet, seen: ExplainedQuery) -> str | None:
    if seen.client.subnet is None or not seen.client.subnet.prefix:
        return "subnet: there is no trusted client subnet"
    return _explain_network("subnet", network, seen.address)


#: The trusted client subnet where there is one, else the sender.
SOURCE = Dimension[Subnet](
    key="source",
    parse=lambda text, issues: parse_network(text, issues, "source"),
    reads=Reads.NETWORK,
    rank=_rank_network,
    mismatch=_explain_source,
    overlap_key=lambda network: None,
)

#: The trusted client subnet alone.
SUBNET = Dimension[Subnet](
    key="subnet",
    parse=lambda text, issues: parse_network(text, issues, "subnet"),
    reads=Reads.NETWORK,
    rank=_rank_network,
    mismatch=_explain_subnet,
    overlap_key=lambda network: None,
)


_NO_DATABASE = "there is no geo database"


def _explain_country(code: str, seen: ExplainedQuery) -> str | None:
    return _explain("country", seen.facts.location.country, code, seen)


def _explain_city(name: str, seen: ExplainedQuery) -> str | None:
    return _explain("city", seen.facts.location.city, name, seen)


def _explain(key: str, found: str | None, wanted: str, seen: ExplainedQuery) -> str | None:
    if seen.geo is None:
        return _NO_DATABASE
    return None if found == wanted else format_mismatch(key, found, wanted)


def _explain_subdivision(code: str, seen: ExplainedQuery) -> str | None:
    found = seen.facts.location.subdivisions
    return _explain("subdivision", code if code in found else " ".join(found) or None, code, seen)


#: ISO 3166-1 alpha-2.
COUNTRY = Dimension[str](
    key="country",
    parse=lambda text, issues: text.upper(),
    reads=Reads.LOCATION,
    rank=lambda code: 1,
    tests=equals("country", lambda client, facts: facts.location.country),
    mismatch=_explain_country,
    overlap_key=lambda code: None,
    may_overlap=are_compatible,
)

#: ISO 3166-2 (``CN-BJ``). An address is in several: there are up to two levels.
SUBDIVISION = Dimension[str](
    key="subdivision",
    parse=lambda text, issues: text.upper(),
    reads=Reads.LOCATION,
    rank=lambda code: 2,
    read_many=lambda facts: facts.location.subdivisions,
    mismatch=_explain_subdivision,
    overlap_key=lambda code: None,
    may_overlap=are_compatible,
)

#: The English name in GeoNames, without regard to case.
CITY = Dimension[str](
    key="city",
    parse=lambda text, issues: fold_city(text),
    reads=Reads.LOCATION,
    rank=lambda name: 3,
    tests=equals("city", lambda client, facts: facts.location.city),
    mismatch=_explain_city,
)
