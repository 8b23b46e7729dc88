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
from graydns.config.consul import MOST_REVISION, Datacenter, Prefix, from_base64
from graydns.config.converter import register
from graydns.config.misfit import Misfit, misfits
from graydns.config.policy import read_whitelisted, repeated_names, split_misfits
from graydns.config.scalar import Choice, Identifier, Integer, TenantName, Text, read_percent
from graydns.model.name import to_text
from graydns.model.policy import Rule, RuleConditions, RuleOutcome, ServicePolicy

FORMAT = "graydns-policy-1"

ALGORITHMS = ("ed25519", "hmac-sha256")

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def read_moment(value: object, /) -> int:
    """Unix seconds of a moment such as ``2026-11-22T08:00:00Z`` (RFC 3339, in UTC)."""
    try:
        if isinstance(value, str) and _MOMENT.fullmatch(value):
            return int(datetime.fromisoformat(value).timestamp())
    except ValueError:
        pass
    raise misfits(value, "a moment in UTC such as 2026-11-22T08:00:00Z")


def moment_text(seconds: int) -> str:
    """*seconds* as ``read_moment`` reads them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def read_signature(value: object, /) -> bytes:
    """The octets of a signature, in base64."""
    octets = from_base64(value) if isinstance(value, str) else None
    if not octets or len(octets) > 64:
        raise misfits(value, "1 to 64 octets in base64")
    return octets


Word = Annotated[str, Identifier()]
Name = Annotated[bytes, read_name]
Moment = Annotated[int, read_moment]


@frozen(kw_only=True)
class Meta:
    """What a revision is: all that its signature names. *not_before*, *not_after*: Unix seconds between which it may be
    taken for the first time, None = at any time. *author* and *description* are for people.
    """

    format: Annotated[str, Choice((FORMAT,))]
    prefix: Annotated[str, Prefix]
    datacenter: Annotated[str, Datacenter]
    tenant: Annotated[str, TenantName()]
    revision: Annotated[int, Integer(1, MOST_REVISION)]
    not_before: Moment | None = None
    not_after: Moment | None = None
    author: Annotated[str, Text("who wrote it", least=0)] = ""
    description: Annotated[str, Text("a description", least=0, most=1000)] = ""


@frozen
class Route:
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
class Signature:
    """*signature*: octets, made with the *key* of that id. *algorithm*: of the key; it does not choose one."""

    key: Word
    algorithm: Annotated[str, Choice(ALGORITHMS)]
    signature: Annotated[bytes, read_signature]


@frozen(kw_only=True)
class Strategy:
    """What a revision says. *weight*, *percent*, *whitelist*: by service; each takes the place of all shares, or all of
    the whitelist, that the service has in its file. *percent*: millionths. *route*: rules of the tenant.
    """

    meta: Meta
    route: tuple[Route, ...] = ()
    weight: Mapping[Name, Mapping[Word, Annotated[int, Integer(0, 1_000_000)]]] = field(factory=dict)
    percent: Mapping[Name, Mapping[Word, Annotated[int, read_percent]]] = field(factory=dict)
    whitelist: Mapping[Name, Mapping[Word, tuple[Annotated[str, read_whitelisted], ...]]] = field(factory=dict)
    signature: Signature | None = None


def register_strategy(converter: Converter) -> None:
    """Teach *converter* strategies; it knows rules already."""
    register(converter, Meta, check_meta)
    register(converter, Signature)
    register(
        converter,
        Route,
        check_route,
        name=Word,
        priority=Annotated[int, Integer(-1_000_000, 1_000_000)],
        path=Annotated[str, Text("an HTTP path that begins with /", most=1000, pattern=r"/[^\x00-\x20\x7f]*")] | None,
        method=Annotated[str, Text("an HTTP method such as GET", most=32, pattern=r"[A-Z]+")] | None,
    )
    register(converter, Strategy, check_strategy)


def check_meta(meta: Meta, _broken: Collection[str]) -> Iterator[Misfit]:
    """A window has an inside."""
    if meta.not_before is not None and meta.not_after is not None and meta.not_after <= meta.not_before:
        yield Misfit(("not_after",), moment_text(meta.not_after), "a moment after 'not_before'")


def check_route(route: Route, broken: Collection[str]) -> Iterator[Misfit]:
    """What a rule needs, and that nobody takes HTTP's words for conditions."""
    if route.then == RuleOutcome() and "then" not in broken:
        yield Misfit((), "no key 'then'", "'then', which is required")
    if (route.path or route.method) and route.when == RuleConditions() and "when" not in broken:
        found = f"{' and '.join(repr(key) for key in http_keys(route))} without 'when'"
        yield Misfit((), found, "a condition in 'when': those are never matched, so the rule would hold for every name")


def http_keys(route: Route) -> list[str]:
    """The keys of *route* that no DNS question can match."""
    return [key for key in ("path", "method") if getattr(route, key) is not None]


def check_strategy(strategy: Strategy, broken: Collection[str]) -> Iterator[Misfit]:
    """What is said of one service, and of all rules."""
    for misfit in repeated_names(route.rule for route in strategy.route):
        yield misfit.under("route")
    for name in strategy.weight:
        if name in strategy.percent:
            yield Misfit(("weight", to_text(name)), "'weight' beside 'percent'", "only one of them for a service", True)
    for name, percent in strategy.percent.items():
        yield from _split("percent", name, ServicePolicy({}, "", percent=percent))
    for name, weight in strategy.weight.items():
        yield from _split("weight", name, ServicePolicy({}, "", weights=weight))


def _split(key: str, name: bytes, shares: ServicePolicy) -> Iterator[Misfit]:
    for misfit in split_misfits(shares):
        yield attrs.evolve(misfit, path=(key, to_text(name), *misfit.path[1:]))


def http_warnings(strategy: Strategy) -> Iterator[str]:
    """What an operator should hear of HTTP's words in *strategy*."""
    for route in strategy.route:
        if keys := http_keys(route):
            yield f"route {route.name}: {' and '.join(keys)} kept as metadata; DNS never matches on them"


def dump(strategy: Strategy) -> dict[str, Any]:
    """*strategy* as JSON, by key, without its signature; ``structured`` makes an equal one of it."""
    meta = _given(strategy.meta)
    moments = {key: moment_text(meta[key]) for key in ("not_before", "not_after") if key in meta}
    return {
        "meta": {**meta, **moments},
        "route": [_given(route) for route in strategy.route],
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


def _given(value: Any) -> dict[str, Any]:
    """The fields of *value*, an object of an attrs class, that are not at their defaults."""
    given: dict[str, Any] = {}
    for one in attrs.fields(type(value)):
        item = getattr(value, one.name)
        default = one.default.factory() if isinstance(one.default, attrs.Factory) else one.default  # type: ignore[arg-type]
        if item != default:
            given[one.name] = _given(item) if attrs.has(type(item)) else item
    return given
