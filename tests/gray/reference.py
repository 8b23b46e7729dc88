"""What routing should do, written as plainly as possible: every rule looked at for every query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from attrs import asdict, frozen

from graydns.gray.geo import UNKNOWN_LOCATION, GeoLocation, GeoLocator
from graydns.model.client import Client
from graydns.model.policy import Rule, RuleConditions, ServicePolicy

Network = IPv4Network | IPv6Network

_IDENTITIES = {"tag": 1, "client": 2, "tsig": 3, "tls": 4}


@frozen
class Reference:
    """One tenant's policy as written: *services* and *rules* by zone, rules of the tenant under ""."""

    services: Mapping[str, Mapping[str, ServicePolicy]]
    rules: Mapping[str, Sequence[Rule]]
    geo: GeoLocator | None = None

    def decide(self, name: str, qtype: str, client: Client) -> str:
        """``rule:NAME``, a version, ``split`` or ``""``."""
        zones = [zone for zone in self.services if name == zone or name.endswith("." + zone)]
        zone = max(zones, key=len, default=None)
        service = None if zone is None else self.services[zone].get(name)
        seen = [*self.rules.get("", ()), *(self.rules.get(zone, ()) if zone is not None else ())]
        versions = frozenset(service.versions) if service else frozenset()
        matching = sorted(
            (rule for rule in seen if self._matches(rule.when, name, qtype, client)),
            key=lambda rule: (_rank(rule.when), -rule.priority, rule.name),
        )
        for rule in matching:
            if rule.then.version is None:
                return f"rule:{rule.name}"
        if service is None:
            return ""
        if (listed := _listed(service, client)) is not None:
            return listed
        for rule in matching:
            if rule.then.version in versions:
                return str(rule.then.version)
        return "split"

    def _matches(self, when: RuleConditions, name: str, qtype: str, client: Client) -> bool:
        place = UNKNOWN_LOCATION if self.geo is None else self.geo.locate(_address(client).network_address.packed)
        tags = dict(client.tags)
        return (
            (when.source is None or _inside(_address(client), when.source))
            and (when.subnet is None or (_has_subnet(client) and _inside(_address(client), when.subnet)))
            and (when.client is None or client.identity == _full(when.client))
            and all(tags.get(key) == value for key, value in when.tag.items())
            and self._matches_place(when, place)
            and (when.name is None or matches_name(when.name, name))
            and (when.regex is None or re.fullmatch(when.regex, name) is not None)
            and when.qtype in (None, qtype)
            and when.transport in (None, client.transport.name)
        )

    def _matches_place(self, when: RuleConditions, place: GeoLocation) -> bool:
        return (
            when.country in (None, place.country)
            and (when.subdivision is None or when.subdivision in place.subdivisions)
            and (when.city is None or when.city.casefold() == place.city)
        )


def matches_name(pattern: str, name: str) -> bool:
    """A pattern over names without odd characters."""
    if "." not in pattern:
        pattern, name = pattern, name.split(".")[0]
    several = pattern.startswith("*.")
    expression = "[^.]*".join(map(re.escape, pattern.removeprefix("*.").split("*")))
    return re.fullmatch((r"([^.]+\.)+" if several else "") + expression, name) is not None


def _rank(when: RuleConditions) -> tuple[object, ...]:
    """Sorts the most specific first."""
    identity = when.client is not None or bool(when.tag)
    networks = [ip_network(text).prefixlen for text in (when.source, when.subnet) if text is not None]
    geo = 3 if when.city else 2 if when.subdivision else 1 if when.country else 0
    address = bool(networks or geo)
    named = when.name is not None or when.regex is not None
    dimensions = [value for value in asdict(when).values() if value]
    kind = _IDENTITIES[_full(when.client).split(":")[0]] if when.client else int(identity)
    return (
        -(2 if identity and address else 1 if named and address else 0),
        -len(dimensions),
        (-kind, -len(when.tag)),
        (-int(bool(networks)), -max(networks, default=geo)),
        _rank_name(when),
        -int(when.qtype is not None),
        -int(when.transport is not None),
    )


def _rank_name(when: RuleConditions) -> tuple[int, int, int]:
    if when.name is None:
        return (0, 0, -int(when.regex is not None))
    if "*" not in when.name and "." in when.name:
        return (-1, 0, 0)
    return (0, -len(when.name.replace("*", "")), -2 if "*" in when.name else -3)


def _full(identity: str) -> str:
    return identity if identity.split(":")[0] in ("client", "tsig", "tls") else f"client:{identity}"


def _has_subnet(client: Client) -> bool:
    return client.subnet is not None and client.subnet.prefix > 0


def _address(client: Client) -> Network:
    if client.subnet is not None and client.subnet.prefix > 0:
        return ip_network((client.subnet.address, client.subnet.prefix))
    return ip_network(ip_address(client.source))


def _inside(address: Network, cidr: str) -> bool:
    network = ip_network(cidr)
    if isinstance(address, IPv4Network) and isinstance(network, IPv4Network):
        return address.subnet_of(network)
    return isinstance(address, IPv6Network) and isinstance(network, IPv6Network) and address.subnet_of(network)


def _listed(service: ServicePolicy, client: Client) -> str | None:
    entries = [(entry, version) for version, listed in service.whitelist.items() for entry in listed]
    for entry, version in entries:
        if entry == client.identity:
            return version
    nets = [(ip_network(entry[4:]), version) for entry, version in entries if entry.startswith("net:")]
    around = [(net.prefixlen, version) for net, version in nets if _inside(_address(client), str(net))]
    return max(around)[1] if around else None
