"""Services, compiled: pools of endpoints, the split between versions, the whitelist, the client key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from attrs import field, frozen
from dns.rdatatype import CNAME

from graydns.gray.conditions import NAMESPACES, read_network
from graydns.gray.endpoints import MAX_MEMBERS, Member, Pool, identify, pool
from graydns.gray.faults import Faults
from graydns.gray.health import VersionHealth
from graydns.gray.key import COHORT, ENDPOINT, KeyRecipe, hash_key, recipe
from graydns.gray.records import read_records
from graydns.gray.rules import MAX_TTL
from graydns.gray.split import Split, read_split
from graydns.model.policy import Endpoint, Records, Service, Version
from graydns.model.query import Subnet

KEY_SOURCES = ("identity", "subnet", "source")

_Key = TypeVar("_Key")


class Listing(NamedTuple):
    """One *entry* of a whitelist: who is named gets *version*. *personal*: named by identity."""

    entry: str
    version: str
    personal: bool


@frozen(eq=False)
class CompiledService:
    """A name under release control.

    *name*: text, part of every hash key. *listed*: the whitelist by identity; *networks*: the whitelist by
    network. *cohort_key*, *endpoint_key*: SipHash keys of these purposes. *consul*: versions whose endpoints are in
    Consul; *health*: what is known of those (``gray.filling``).
    """

    name: str
    pools: Mapping[str, Pool]
    default: str
    ttl: int
    split: Split
    listed: Mapping[str, Listing] = field(repr=False)
    networks: Mapping[Subnet, Listing] = field(repr=False)
    key: KeyRecipe
    cohort_key: bytes = field(repr=False)
    endpoint_key: bytes = field(repr=False)
    consul: Mapping[str, Version] = field(factory=dict, repr=False)
    health: Mapping[str, VersionHealth] = field(factory=dict, repr=False)


def compile_service(tenant: str, name: str, service: Service, faults: Faults) -> CompiledService:
    """Compile *service*; what is wrong in it is added to *faults*."""
    _check(service, faults)
    salt = name if service.salt is None else service.salt
    endpoint_key = hash_key(tenant, name, salt, ENDPOINT)
    pools = {
        version: _read_version(name, version, listed, endpoint_key, faults.under("versions", version))
        for version, listed in service.versions.items()
    }
    consul = {version: listed for version, listed in service.versions.items() if listed.consul is not None}
    if not service.allow_uneven and len({one.types for name, one in pools.items() if name not in consul}) > 1:
        faults.add("versions with different record types", "the same types in each, or allow_uneven: true", "versions")
    listed, networks = _read_whitelist(service, faults.under("whitelist"))
    return CompiledService(
        name=name,
        pools=pools,
        default=service.default,
        ttl=service.ttl,
        split=read_split(service, faults),
        listed=listed,
        networks=networks,
        key=_read_key(service, faults),
        cohort_key=hash_key(tenant, name, salt, COHORT),
        endpoint_key=endpoint_key,
        consul=consul,
    )


def _check(service: Service, faults: Faults) -> None:
    if service.default not in service.versions:
        faults.add(f"{service.default!r}", "a version of this service", "default")
    if not 0 <= service.ttl <= MAX_TTL:
        faults.add(f"{service.ttl} s", f"0 to {MAX_TTL} s", "ttl")


def _read_key(service: Service, faults: Faults) -> KeyRecipe:
    """The recipe of what is right in ``client_key`` and ``client_prefix``."""
    sources: list[str] = []
    for at, source in enumerate(service.client_key):
        if source in KEY_SOURCES and source not in sources:
            sources.append(source)
        else:
            faults.add(f"{source!r}", f"each of {', '.join(KEY_SOURCES)} at most once", "client_key", at)
    prefix: dict[str, int] = {}
    for family, bits in service.client_prefix.items():
        if 1 <= bits <= {"ipv4": 32, "ipv6": 128}.get(family, 0):
            prefix[family] = bits
        else:
            faults.add(f"{family}: {bits}", "ipv4: 1 to 32 or ipv6: 1 to 128", "client_prefix", family)
    return recipe(sources, prefix)


def _read_version(service: str, name: str, version: Version, key: bytes, faults: Faults) -> Pool:
    if version.consul is not None:
        return Pool(service, name, (), 1, key, known=False)
    members: dict[bytes, Member] = {}
    for at, endpoint in enumerate(version.endpoints):
        member = _read_endpoint(endpoint, faults.under("endpoints", at))
        if member.identity in members:
            faults.add(f"{member.name} twice", "each endpoint once", "endpoints", at)
        members[member.identity] = member
    if len(members) > MAX_MEMBERS:
        faults.add(f"{len(members)} endpoints", f"at most {MAX_MEMBERS}", "endpoints")
    if version.answers is not None and version.answers < 1:
        faults.add(f"{version.answers}", "1 or more", "answers")
    answers = version.answers
    types = {rdtype for member in members.values() for rdtype in member.records}
    if CNAME in types:
        answers = 1
        if len(types) > 1:
            faults.add("a CNAME beside other records", "a CNAME alone (RFC 1034 section 3.6.2)", "endpoints")
    return pool(service, name, list(members.values()), answers, key)


def _read_endpoint(endpoint: Endpoint, faults: Faults) -> Member:
    if endpoint.weight < 0:
        faults.add(f"{endpoint.weight}", "a weight of 0 or more", "weight")
    records = read_records(endpoint.records, faults.under("records"), hints=False)
    return Member(_name(endpoint.records), identify(records), endpoint.weight, records)


def _name(records: Records) -> str:
    """What people call an endpoint: its addresses, other data with the type before it."""
    return "+".join(
        text if mnemonic in ("A", "AAAA") else f"{mnemonic} {text}"
        for mnemonic, texts in sorted(records.items())
        for text in texts
    )


def _read_whitelist(service: Service, faults: Faults) -> tuple[dict[str, Listing], dict[Subnet, Listing]]:
    identities: dict[str, Listing] = {}
    networks: dict[Subnet, Listing] = {}
    for version, entries in service.whitelist.items():
        if version not in service.versions:
            faults.add(f"{version!r}", "a version of this service", version)
        for at, entry in enumerate(entries):
            place = faults.under(version, at)
            if entry.startswith("net:"):
                if (network := read_network(entry.removeprefix("net:"), place)) is not None:
                    _enlist(networks, network, Listing(entry, version, False), place)
            elif entry.startswith(NAMESPACES):
                _enlist(identities, entry, Listing(entry, version, True), place)
            else:
                place.add(f"{entry!r}", "client:…, tsig:…, tls:… or net:CIDR")
    return identities, networks


def _enlist(listed: dict[_Key, Listing], key: _Key, listing: Listing, faults: Faults) -> None:
    known = listed.setdefault(key, listing)
    if known.version != listing.version:
        faults.add(f"{listing.entry!r} for {listing.version!r}, also listed for {known.version!r}", "one version each")
