"""Strategy: one revision of a tenant's release policy, as it stands in Consul's KV and in the files it is pushed from.

The keys of a revision are the keys of this class, so a file and the KV entries made of it fit the same schema, which
for rules, shares and whitelists is that of zone-config.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import attrs
from attrs import field, frozen
from cattrs import Converter

from graydns.config.address import read_name
from graydns.config.consul_settings import MAX_POLICY_REVISION, decode_base64, read_datacenter, read_kv_prefix
from graydns.config.converter import register_class
from graydns.config.issues import ValidationIssue, make_validation_error
from graydns.config.policy_schema import check_rule_names, check_shares, read_whitelist_entry
from graydns.config.scalar import Identifier, Integer, Keyword, TenantName, Text, read_percent
from graydns.model.name import to_text
from graydns.model.policy import Rule, RuleConditions, RuleOutcome, ServicePolicy

POLICY_FORMAT = "graydns-policy-1"

SIGNATURE_ALGORITHMS = ("ed25519", "hmac-sha256")

_RFC3339_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def read_timestamp(value: object, /) -> int:
    """Unix seconds of a moment such as ``2026-11-22T08:00:00Z`` (RFC 3339, in UTC)."""
    try:
        if isinstance(value, str) and _RFC3339_PATTERN.fullmatch(value):
            return int(datetime.fromisoformat(value).timestamp())
    except ValueError:
        pass
    raise make_validation_error(value, "a moment in UTC such as 2026-11-22T08:00:00Z")


def format_timestamp(seconds: int) -> str:
    """*seconds* as ``read_timestamp`` reads them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def read_signature(value: object, /) -> bytes:
    """The octets of a signature, in base64."""
    octets = decode_base64(value) if isinstance(value, str) else None
    if not octets or len(octets) > 64:
        raise make_validation_error(value, "1 to 64 octets in base64")
    return octets


IdentifierText = Annotated[str, Identifier()]
DomainName = Annotated[bytes, read_name]
Timestamp = Annotated[int, read_timestamp]


@frozen(kw_only=True)
class PolicyMetadata:
    """What a revision is: all that its signature names. *not_before*, *not_after*: Unix seconds between which it may be
    taken for the first time, None = at any time. *author* and *description* are for people.
    """

    format: Annotated[str, Keyword((POLICY_FORMAT,))]
    prefix: Annotated[str, read_kv_prefix]
    datacenter: Annotated[str, read_datacenter]
    tenant: Annotated[str, TenantName()]
    revision: Annotated[int, Integer(1, MAX_POLICY_REVISION)]
    not_before: Timestamp | None = None
    not_after: Timestamp | None = None
    author: Annotated[str, Text("who wrote it", min_length=0)] = ""
    description: Annotated[str, Text("a description", min_length=0, max_length=1000)] = ""


@frozen
class PolicyRule:
    """A rule of the tenant. *path* and *method* (of HTTP) are kept for other readers of the policy: no DNS question has
    them, so they are never matched.
    """

    name: str
    when: RuleConditions = field(factory=RuleConditions)
    then: RuleOutcome = field(factory=RuleOutcome)
    priority: int = 0
    path: str | None = None
    method: str | None = None

    @property
    def rule(self) -> Rule:
        """What DNS makes of it."""
        return Rule(self.name, self.when, self.then, self.priority)


@frozen
class PolicySignature:
    """*signature*: octets, made with the *key* of that id. *algorithm*: of the key; it does not choose one."""

    key: IdentifierText
    algorithm: Annotated[str, Keyword(SIGNATURE_ALGORITHMS)]
    signature: Annotated[bytes, read_signature]


@frozen(kw_only=True)
class ReleasePolicy:
    """What a revision says. *weight*, *percent*, *whitelist*: by service; each takes the place of all shares, or all of
    the whitelist, that the service has in its file. *percent*: millionths. *route*: rules of the tenant.
    """

    meta: PolicyMetadata
    route: tuple[PolicyRule, ...] = ()
    weight: Mapping[DomainName, Mapping[IdentifierText, Annotated[int, Integer(0, 1_000_000)]]] = field(factory=dict)
    percent: Mapping[DomainName, Mapping[IdentifierText, Annotated[int, read_percent]]] = field(factory=dict)
    whitelist: Mapping[DomainName, Mapping[IdentifierText, tuple[Annotated[str, read_whitelist_entry], ...]]] = field(
        factory=dict
    )
    signature: PolicySignature | None = None


def register_release_policy(converter: Converter) -> None:
    """Teach *converter* strategies; it knows rules already."""
    register_class(converter, PolicyMetadata, check_metadata)
    register_class(converter, PolicySignature)
    register_class(
        converter,
        PolicyRule,
        check_policy_rule,
        name=IdentifierText,
        priority=Annotated[int, Integer(-1_000_000, 1_000_000)],
        path=Annotated[str, Text("an HTTP path that begins with /", max_length=1000, pattern=r"/[^\x00-\x20\x7f]*")]
        | None,
        method=Annotated[str, Text("an HTTP method such as GET", max_length=32, pattern=r"[A-Z]+")] | None,
    )
    register_class(converter, ReleasePolicy, check_release_policy)


def check_metadata(meta: PolicyMetadata, _broken: Collection[str]) -> Iterator[ValidationIssue]:
    """A window has an inside."""
    if meta.not_before is not None and meta.not_after is not None and meta.not_after <= meta.not_before:
        yield ValidationIssue(("not_after",), format_timestamp(meta.not_after), "a moment after 'not_before'")


def check_policy_rule(route: PolicyRule, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """What a rule needs; keys of HTTP routing are not conditions."""
    if route.then == RuleOutcome() and "then" not in broken:
        yield ValidationIssue((), "no key 'then'", "'then', which is required")
    if (route.path or route.method) and route.when == RuleConditions() and "when" not in broken:
        found = f"{' and '.join(repr(key) for key in list_http_keys(route))} without 'when'"
        yield ValidationIssue(
            (), found, "a condition in 'when': those are never matched, so the rule would hold for every name"
        )


def list_http_keys(route: PolicyRule) -> list[str]:
    """The keys of *route* that no DNS question can match."""
    return [key for key in ("path", "method") if getattr(route, key) is not None]


def check_release_policy(strategy: ReleasePolicy, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """What is said of one service, and of all rules."""
    for issue in check_rule_names(route.rule for route in strategy.route):
        yield issue.under("route")
    for name in strategy.weight:
        if name in strategy.percent:
            yield ValidationIssue(
                ("weight", to_text(name)), "'weight' beside 'percent'", "only one of them for a service", True
            )
    for name, percent in strategy.percent.items():
        yield from _check_service_shares("percent", name, ServicePolicy({}, "", percent=percent))
    for name, weight in strategy.weight.items():
        yield from _check_service_shares("weight", name, ServicePolicy({}, "", weights=weight))


def _check_service_shares(key: str, name: bytes, shares: ServicePolicy) -> Iterator[ValidationIssue]:
    for issue in check_shares(shares):
        yield attrs.evolve(issue, path=(key, to_text(name), *issue.path[1:]))


def list_http_warnings(strategy: ReleasePolicy) -> Iterator[str]:
    """What an operator should hear of HTTP's words in *strategy*."""
    for route in strategy.route:
        if keys := list_http_keys(route):
            yield f"route {route.name}: {' and '.join(keys)} kept as metadata; DNS never matches on them"


def dump_release_policy(strategy: ReleasePolicy) -> dict[str, Any]:
    """*strategy* as JSON, by key, without its signature; ``structured`` makes an equal one of it."""
    meta = _dump_changed_fields(strategy.meta)
    moments = {key: format_timestamp(meta[key]) for key in ("not_before", "not_after") if key in meta}
    return {
        "meta": {**meta, **moments},
        "route": [_dump_changed_fields(route) for route in strategy.route],
        "weight": {to_text(name): dict(weights) for name, weights in strategy.weight.items()},
        "percent": {
            to_text(name): {version: share / 10_000 for version, share in shares.items()}
            for name, shares in strategy.percent.items()
        },
        "whitelist": {
            to_text(name): {version: list(entries) for version, entries in listed.items()}
            for name, listed in strategy.whitelist.items()
        },
    }


def _dump_changed_fields(value: Any) -> dict[str, Any]:
    """The fields of *value*, an object of an attrs class, that are not at their defaults."""
    given: dict[str, Any] = {}
    for one in attrs.fields(type(value)):
        item = getattr(value, one.name)
        default = one.default.factory() if isinstance(one.default, attrs.Factory) else one.default  # type: ignore[arg-type]
        if item != default:
            given[one.name] = _dump_changed_fields(item) if attrs.has(type(item)) else item
    return given
