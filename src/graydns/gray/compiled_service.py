"""Services, compiled: pools of endpoints, the split between versions, the whitelist, the client key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from attrs import field, frozen
from dns.rdatatype import CNAME

from graydns.gray.client_key import (
    PURPOSE_COHORT,
    PURPOSE_ENDPOINT,
    ClientKeyRecipe,
    compile_client_key,
    derive_hash_key,
)
from graydns.gray.dimensions.address import parse_network
from graydns.gray.endpoint_pool import MAX_MEMBERS, EndpointPool, PoolMember, build_pool, encode_records
from graydns.gray.policy_records import parse_records
from graydns.gray.split import Split, compile_split
from graydns.gray.version_health import VersionHealth
from graydns.model.client import IDENTITY_PREFIXES, Subnet
from graydns.model.dns_parameters import MAX_TTL_SECONDS
from graydns.model.errors import PolicyIssues
from graydns.model.policy import RecordTexts, ServiceEndpoint, ServicePolicy, ServiceVersion

CLIENT_KEY_SOURCES = ("identity", "subnet", "source")

_EntryT = TypeVar("_EntryT")


class WhitelistEntry(NamedTuple):
    """One *entry* of a whitelist: who is named gets *version*. *by_identity*: named by identity."""

    entry: str
    version: str
    by_identity: bool


@frozen(eq=False)
class CompiledService:
    """A name under release control.

    *name*: text, part of every hash key. *whitelist_identities*, *whitelist_networks*: the whitelist, by what its
    entries name. *cohort_key*, *endpoint_key*: SipHash keys of these purposes. *consul_versions*: versions whose
    endpoints are in Consul; *health*: of their instances (``gray.version_health``).
    """

    name: str
    pools: Mapping[str, EndpointPool]
    default: str
    ttl: int
    split: Split
    whitelist_identities: Mapping[str, WhitelistEntry] = field(repr=False)
    whitelist_networks: Mapping[Subnet, WhitelistEntry] = field(repr=False)
    client_key: ClientKeyRecipe
    cohort_key: bytes = field(repr=False)
    endpoint_key: bytes = field(repr=False)
    consul_versions: Mapping[str, ServiceVersion] = field(factory=dict, repr=False)
    health: Mapping[str, VersionHealth] = field(factory=dict, repr=False)


def compile_service(tenant: str, name: str, service: ServicePolicy, faults: PolicyIssues) -> CompiledService:
    """Compile *service*; what is wrong in it is added to *faults*."""
    _check_service(service, faults)
    salt = name if service.salt is None else service.salt
    endpoint_key = derive_hash_key(tenant, name, salt, PURPOSE_ENDPOINT)
    pools = {
        version: _compile_version(name, version, listed, endpoint_key, faults.under("versions", version))
        for version, listed in service.versions.items()
    }
    consul = {version: listed for version, listed in service.versions.items() if listed.consul is not None}
    if not service.allow_uneven and len({one.rdtypes for name, one in pools.items() if name not in consul}) > 1:
        faults.add("versions with different record types", "the same types in each, or allow_uneven: true", "versions")
    listed, networks = _compile_whitelist(service, faults.under("whitelist"))
    return CompiledService(
        name=name,
        pools=pools,
        default=service.default,
        ttl=service.ttl,
        split=compile_split(service, faults),
        whitelist_identities=listed,
        whitelist_networks=networks,
        client_key=_compile_key(service, faults),
        cohort_key=derive_hash_key(tenant, name, salt, PURPOSE_COHORT),
        endpoint_key=endpoint_key,
        consul_versions=consul,
    )


def _check_service(service: ServicePolicy, faults: PolicyIssues) -> None:
    if service.default not in service.versions:
        faults.add(f"{service.default!r}", "a version of this service", "default")
    if not 0 <= service.ttl <= MAX_TTL_SECONDS:
        faults.add(f"{service.ttl} s", f"0 to {MAX_TTL_SECONDS} s", "ttl")


def _compile_key(service: ServicePolicy, faults: PolicyIssues) -> ClientKeyRecipe:
    """The recipe of what is right in ``client_key`` and ``client_prefix``."""
    sources: list[str] = []
    for at, source in enumerate(service.client_key):
        if source in CLIENT_KEY_SOURCES and source not in sources:
            sources.append(source)
        else:
            faults.add(f"{source!r}", f"each of {', '.join(CLIENT_KEY_SOURCES)} at most once", "client_key", at)
    prefix: dict[str, int] = {}
    for family, bits in service.client_prefix.items():
        if 1 <= bits <= {"ipv4": 32, "ipv6": 128}.get(family, 0):
            prefix[family] = bits
        else:
            faults.add(f"{family}: {bits}", "ipv4: 1 to 32 or ipv6: 1 to 128", "client_prefix", family)
    return compile_client_key(sources, prefix)


def _compile_version(
    service: str, name: str, version: ServiceVersion, key: bytes, faults: PolicyIssues
) -> EndpointPool:
    if version.consul is not None:
        return EndpointPool(service, name, (), 1, key, is_known=False)
    members: dict[bytes, PoolMember] = {}
    for at, endpoint in enumerate(version.endpoints):
        member = _compile_endpoint(endpoint, faults.under("endpoints", at))
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
    return build_pool(service, name, list(members.values()), answers, key)


def _compile_endpoint(endpoint: ServiceEndpoint, faults: PolicyIssues) -> PoolMember:
    if endpoint.weight < 0:
        faults.add(f"{endpoint.weight}", "a weight of 0 or more", "weight")
    records = parse_records(endpoint.records, faults.under("records"), hints=False)
    return PoolMember(_endpoint_name(endpoint.records), encode_records(records), endpoint.weight, records)


def _endpoint_name(records: RecordTexts) -> str:
    """What people call an endpoint: its addresses, other data with the type before it."""
    return "+".join(
        text if mnemonic in ("A", "AAAA") else f"{mnemonic} {text}"
        for mnemonic, texts in sorted(records.items())
        for text in texts
    )


def _compile_whitelist(
    service: ServicePolicy, faults: PolicyIssues
) -> tuple[dict[str, WhitelistEntry], dict[Subnet, WhitelistEntry]]:
    identities: dict[str, WhitelistEntry] = {}
    networks: dict[Subnet, WhitelistEntry] = {}
    for version, entries in service.whitelist.items():
        if version not in service.versions:
            faults.add(f"{version!r}", "a version of this service", version)
        for at, entry in enumerate(entries):
            place = faults.under(version, at)
            if entry.startswith("net:"):
                if (network := parse_network(entry.removeprefix("net:"), place)) is not None:
                    _add_entry(networks, network, WhitelistEntry(entry, version, False), place)
            elif entry.startswith(IDENTITY_PREFIXES):
                _add_entry(identities, entry, WhitelistEntry(entry, version, True), place)
            else:
                place.add(f"{entry!r}", "client:…, tsig:…, tls:… or net:CIDR")
    return identities, networks


def _add_entry(
    listed: dict[_EntryT, WhitelistEntry], key: _EntryT, listing: WhitelistEntry, faults: PolicyIssues
) -> None:
    known = listed.setdefault(key, listing)
    if known.version != listing.version:
        faults.add(f"{listing.entry!r} for {listing.version!r}, also listed for {known.version!r}", "one version each")
