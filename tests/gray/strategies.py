"""Random policies and clients over few values, so that rules meet, nest and compete.

They are drawn from pools that are made once: one draw for a whole rule keeps hypothesis fast and its examples small.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import product
from random import Random
from typing import Any

from hypothesis import strategies as st

from graydns.gray.geo import UNKNOWN_LOCATION, GeoLocation
from graydns.model.client import Client, Subnet
from graydns.model.policy import Rule, RuleConditions, RuleOutcome, ServicePolicy
from graydns.model.transport import parse_transport
from tests.gray.making import CANARY, NEXT, STABLE, service

ZONES = ("a.test", "b.test", "sub.a.test")
SERVICES = ("api.a.test", "www.a.test", "api.b.test", "api.sub.a.test")
NAMES = (
    *SERVICES,
    "a.test",
    "x.api.a.test",
    "eu-1.a.test",
    "eu-1.web.b.test",
    "www.other.example",
    "api.other.example",
)
PATTERNS = (
    *("api", "www", "a*", "*1", "*-*", "*", "api.a.test", "www.other.example", "*.a.test", "*.test", "*.api.a.test"),
    *("eu-*.a.test", "*.web.*", "e*-1.*.b.test", "a*.b.test", "*pi.b.test", "*.sub.a.test"),
)
REGEXES = (r"api\..*", r"[aw].*\.test", r".*\.example", r"(eu|us)-[0-9]\..*")
NETWORKS = (
    *("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.128/25", "10.1.2.3/32", "10.1.0.0/20"),
    *("::/0", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:2::/64", "2001:db8:1:2::7/128"),
)
ADDRESSES = ("10.1.2.3", "10.1.2.130", "10.1.9.9", "10.200.0.1", "192.0.2.1", "2001:db8:1:2::7", "2001:db8:9::1", "::1")
IDENTITIES = ("client:one", "client:two", "tsig:key", "tls:cert")
TAGS: tuple[dict[str, str], ...] = ({}, {"env": "x"}, {"team": "y"}, {"env": "x", "team": "x"}, {"env": "y"})
QTYPES = ("A", "AAAA", "TXT")
TRANSPORTS = ("udp", "tcp", "tls")
OUTCOMES = (
    RuleOutcome(version="canary"),
    RuleOutcome(version="next"),
    RuleOutcome(version="stable", ttl=2),
    RuleOutcome(block="nodata"),
    RuleOutcome(upstream="u"),
)


class Atlas:
    """Places of addresses in 10.0.0.0/8."""

    def locate(self, address: bytes) -> GeoLocation:
        """By bytes two and four, so that places cut across the networks above."""
        if len(address) != 4 or address[0] != 10:
            return UNKNOWN_LOCATION
        places = (
            GeoLocation("CN", ("CN-BJ",), "beijing"),
            GeoLocation("GB", ("GB-ENG", "GB-LND"), "london"),
            GeoLocation("CN"),
        )
        return places[(address[1] + address[3]) % 3]


def _when(random: Random, personal: bool) -> RuleConditions:
    """One to four dimensions; source and subnet, if both, one in the other."""
    values: dict[str, tuple[Any, ...]] = {
        "source": NETWORKS,
        "subnet": NETWORKS,
        "name": PATTERNS,
        "regex": REGEXES,
        "qtype": QTYPES,
        "transport": TRANSPORTS,
        "country": ("CN", "GB"),
        "subdivision": ("CN-BJ", "GB-ENG", "GB-LND"),
        "city": ("Beijing", "London"),
    }
    if personal:
        values |= {"client": (*IDENTITIES, "two"), "tag": TAGS[1:]}
    often = ["source", "source", "name", "name", *(["client", "tag"] if personal else [])]
    tested = {random.choice([*values, *often]) for _ in range(random.randint(1, 4))}
    when = RuleConditions(**{key: random.choice(values[key]) for key in sorted(tested)})
    apart = when.source and when.subnet and not _nested(when.source, when.subnet)
    return _when(random, personal) if apart else when


def _nested(one: str, other: str) -> bool:
    first, second = ip_network(one), ip_network(other)
    return first.version == second.version and first.overlaps(second)


def _whens(seed: int, personal: bool) -> tuple[RuleConditions, ...]:
    """Conditions no two of which are equal."""
    random = Random(seed)
    return tuple({repr(when).replace("'two'", "'client:two'"): when for when in _made(random, personal)}.values())


def _made(random: Random, personal: bool) -> list[RuleConditions]:
    return [RuleConditions(), *(_when(random, personal) for _ in range(400))]


def _services(personal: bool) -> tuple[ServicePolicy, ...]:
    random = Random(3)
    versions = ({"stable": STABLE, "canary": CANARY}, {"stable": STABLE, "canary": CANARY, "next": NEXT})
    keys = [("subnet", "source"), ("source",), ("subnet",)]
    keys += [("identity", "subnet", "source"), ("subnet", "identity"), ("identity",)] if personal else []
    entries = [f"net:{network}" for network in NETWORKS] + (list(IDENTITIES) if personal else [])
    made = []
    for client_key, offered, _ in product(keys, versions, range(5)):
        chosen = random.sample(entries, random.randint(0, 3))
        made.append(
            service(
                versions=offered,
                percent=random.choice(({}, {"canary": 500_000}, {"canary": 1_000_000})),
                whitelist={"stable": tuple(chosen[1:]), "canary": tuple(chosen[:1])},
                client_key=client_key,
                client_prefix=random.choice(({}, {"ipv4": 20}, {"ipv4": 28, "ipv6": 60})),
            )
        )
    return tuple(made)


WHENS = {personal: _whens(1, personal) for personal in (False, True)}
OFFERED = {personal: _services(personal) for personal in (False, True)}


def rule_lists(whens: st.SearchStrategy[list[RuleConditions]], mark: str) -> st.SearchStrategy[list[Rule]]:
    """Rules of these conditions, with names of their own."""
    return whens.flatmap(
        lambda chosen: st.lists(
            st.tuples(st.sampled_from(OUTCOMES), st.sampled_from((0, 0, 1)), st.integers(0, 9)),
            min_size=len(chosen),
            max_size=len(chosen),
        ).map(
            lambda drawn: [
                Rule(f"{mark}{letter}{at}", when, then, priority)
                for at, (when, (then, priority, letter)) in enumerate(zip(chosen, drawn, strict=True))
            ]
        )
    )


def subnets() -> st.SearchStrategy[Subnet]:
    """Client subnets around one of the addresses."""
    lengths = {4: (0, 8, 16, 20, 24, 25, 32), 16: (0, 32, 48, 56, 64, 128)}
    packed = [ip_address(text).packed for text in ADDRESSES]
    return st.sampled_from([widen(address, prefix) for address in packed for prefix in lengths[len(address)]])


def widen(address: bytes, prefix: int) -> Subnet:
    """The subnet of *prefix* bits around *address*."""
    return Subnet(ip_network((address, prefix), strict=False).network_address.packed, prefix)


def clients(personal: bool = True) -> st.SearchStrategy[Client]:
    """Clients with or without a subnet."""
    return st.builds(
        Client,
        source=st.sampled_from([ip_address(text).packed for text in ADDRESSES]),
        transport=st.sampled_from([parse_transport(name) for name in TRANSPORTS]),
        subnet=st.none() | subnets(),
        identity=st.sampled_from((None, *IDENTITIES)) if personal else st.none(),
        tags=st.sampled_from([tuple(tags.items()) for tags in TAGS]) if personal else st.just(()),
    )
