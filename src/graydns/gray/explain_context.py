"""A query as `explain` sees it, and why a rule does not match it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from ipaddress import ip_address, ip_network

import dns.rdatatype
import re2
from attrs import frozen

from graydns.gray.compiled_service import CompiledService
from graydns.gray.conditions import make_regex_options
from graydns.gray.geo import UNKNOWN_LOCATION, GeoLocation, GeoLocator
from graydns.gray.name_patterns import to_presentation
from graydns.gray.rules import CompiledRule
from graydns.model.client import Client, Subnet
from graydns.model.name import labels, to_text
from graydns.model.query import Query


@frozen
class ExplainContext:
    """One query, and what is known of its name.

    *zone*: the tenant's zone it is in. *catalog*: what it stands for in Consul's catalog, None = it is not of that.
    """

    tenant: str
    query: Query
    zone: bytes | None
    service: CompiledService | None
    geo: GeoLocator | None
    catalog: str | None = None

    @property
    def client(self) -> Client:
        """Who asks."""
        return self.query.client

    @cached_property
    def labels(self) -> tuple[bytes, ...]:
        """The name's labels without the root."""
        return tuple(labels(self.query.qname))[:-1]

    @cached_property
    def address(self) -> Subnet:
        """The address that rules test: the trusted subnet, unless it withholds all bits, else the sender."""
        client = self.client
        if client.subnet is not None and client.subnet.prefix:
            return client.subnet
        return Subnet(client.source, 8 * len(client.source))

    @cached_property
    def location(self) -> GeoLocation:
        """Where that address is."""
        return UNKNOWN_LOCATION if self.geo is None else self.geo.locate(self.address.address)

    def find_mismatch(self, rule: CompiledRule) -> str | None:
        """The first thing that keeps *rule* from matching, None if it matches."""
        return next((reason for test in _TESTS if (reason := test(rule, self)) is not None), None)


def format_network(network: Subnet) -> str:
    """CIDR notation."""
    return f"{ip_address(network.address)}/{network.prefix}"


def format_rdtype(rdtype: int) -> str:
    """The mnemonic of an RR type."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))


def _explain_zone(rule: CompiledRule, scene: ExplainContext) -> str | None:
    return None if rule.zone in (None, scene.zone) else f"sees only names in {to_text(rule.zone or b'')}"


def _explain_name(rule: CompiledRule, scene: ExplainContext) -> str | None:
    pattern = rule.conditions.pattern
    matches = pattern is None or pattern.matches(scene.labels)
    return None if pattern is None or matches else f"name: {to_text(scene.query.qname)} is not {pattern.text}"


def _explain_regex(rule: CompiledRule, scene: ExplainContext) -> str | None:
    regex = rule.conditions.regex
    if regex is None or re2.fullmatch(regex, to_presentation(scene.query.qname), make_regex_options()):
        return None
    return f"regex: {to_presentation(scene.query.qname)} is not {regex}"


def _explain_qtype(rule: CompiledRule, scene: ExplainContext) -> str | None:
    wanted = rule.conditions.qtype
    if wanted is None or wanted == scene.query.qtype:
        return None
    return f"qtype: {format_rdtype(scene.query.qtype)} is not {format_rdtype(wanted)}"


def _explain_identity(rule: CompiledRule, scene: ExplainContext) -> str | None:
    return _format_difference("client", scene.client.identity, rule.conditions.identity)


def _explain_tags(rule: CompiledRule, scene: ExplainContext) -> str | None:
    tags = dict(scene.client.tags)
    reasons = (_format_difference(f"tag {key}", tags.get(key), value) for key, value in rule.conditions.tags)
    return next((reason for reason in reasons if reason), None)


def _explain_network(rule: CompiledRule, scene: ExplainContext) -> str | None:
    wanted = rule.conditions.network
    if wanted is None:
        return None
    tested, seen = "subnet" if rule.conditions.subnet_only else "source", scene.address
    if rule.conditions.subnet_only and seen is not scene.client.subnet:
        return "subnet: there is no trusted client subnet"
    if ip_address(seen.address) not in ip_network((wanted.address, wanted.prefix)):
        return f"{tested}: {format_network(seen)} is not in {format_network(wanted)}"
    if wanted.prefix > seen.prefix:
        return f"{tested}: {format_network(seen)} is wider than {format_network(wanted)}"
    return None


def _explain_location(rule: CompiledRule, scene: ExplainContext) -> str | None:
    conditions, place = rule.conditions, scene.location
    if conditions.is_geographic and scene.geo is None:
        return "there is no geo database"
    if conditions.subdivision is not None and conditions.subdivision not in place.subdivisions:
        return _format_difference("subdivision", " ".join(place.subdivisions) or None, conditions.subdivision)
    return _format_difference("country", place.country, conditions.country) or _format_difference(
        "city", place.city, conditions.city
    )


def _explain_transport(rule: CompiledRule, scene: ExplainContext) -> str | None:
    wanted = rule.conditions.transport
    return None if wanted is None else _format_difference("transport", scene.client.transport.name, wanted.name)


def _explain_version(rule: CompiledRule, scene: ExplainContext) -> str | None:
    if rule.version is None or (scene.service is not None and rule.version in scene.service.pools):
        return None
    return f"then: {to_text(scene.query.qname)} is no service with a version {rule.version}"


def _format_difference(what: str, seen: str | None, wanted: str | None) -> str | None:
    return None if wanted is None or seen == wanted else f"{what}: {seen or 'none'} is not {wanted}"


_TESTS: tuple[Callable[[CompiledRule, ExplainContext], str | None], ...] = (
    _explain_zone,
    _explain_name,
    _explain_regex,
    _explain_qtype,
    _explain_identity,
    _explain_tags,
    _explain_network,
    _explain_location,
    _explain_transport,
    _explain_version,
)
