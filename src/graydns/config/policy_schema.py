"""How the classes of ``model.policy`` are written in files: keys, bounds, and checks inside one rule or service."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any

from attrs import fields
from cattrs import Converter

from graydns.config.address import parse_network, read_network_text
from graydns.config.converter import register_class
from graydns.config.issues import IssueCollector, ValidationIssue, format_value, make_validation_error
from graydns.config.record_readers import RecordsReader, read_rdtype_text, read_version
from graydns.config.scalar import (
    WHOLE_IN_MILLIONTHS,
    Identifier,
    Integer,
    Keyword,
    Text,
    Ttl,
    read_boolean,
    read_percent,
    read_range,
)
from graydns.model.policy import WRITTEN, Rule, RuleConditions, RuleOutcome, ServicePolicy, ServiceVersion
from graydns.model.transport import TRANSPORTS

#: Option 65001 carries at most 16 pairs in 512 octets: a rule that asks for more can never match.
MAX_TAGS = 16

IDENTITY_PATTERN = re.compile(r"(client|tls|tsig):[^\x00-\x1f\x7f]{1,255}")

IdentifierText = Annotated[str, Identifier()]
TtlSeconds = Annotated[int, Ttl("1d")]


def read_identity(value: object, /) -> str:
    """Who a client is: ``tls:…``, ``tsig:…``, ``client:…``, or the last without its prefix."""
    text = Text("a client's identity such as client:qa-laptop, tls:… or tsig:…")(value)
    if text.startswith("net:") or (
        text.startswith(("client:", "tls:", "tsig:")) and not IDENTITY_PATTERN.fullmatch(text)
    ):
        raise make_validation_error(
            value, "an identity such as client:qa-laptop, tls:… or tsig:… (networks go into 'source')"
        )
    return text


def read_whitelist_entry(value: object, /) -> str:
    """An entry of a whitelist: an identity with its prefix, or ``net:CIDR``."""
    if isinstance(value, str):
        if IDENTITY_PATTERN.fullmatch(value):
            return value
        if value.startswith("net:") and parse_network(value.removeprefix("net:")):
            return value
    raise make_validation_error(value, "client:ID, tls:ID, tsig:ID or net:CIDR (host bits zero)")


def register_policy(converter: Converter) -> None:
    """Teach *converter* rules and services."""
    tag = Annotated[
        str, Text("a tag's key or value, without ',' and '='", max_length=255, pattern=r"[^\x00-\x1f\x7f,=]*")
    ]
    value = Annotated[str, Text("a tag's key or value, without ','", min_length=0, pattern=r"[^\x00-\x1f\x7f,]*")]
    register_class(
        converter,
        RuleConditions,
        check_conditions,
        source=Annotated[str, read_network_text] | None,
        subnet=Annotated[str, read_network_text] | None,
        client=Annotated[str, read_identity] | None,
        tag=Mapping[tag, value],
        qtype=Annotated[str, read_rdtype_text] | None,
        transport=Annotated[str, Keyword(tuple(TRANSPORTS))] | None,
        **list_text_kinds(RuleConditions),
    )
    register_class(
        converter,
        RuleOutcome,
        check_outcome,
        version=IdentifierText | None,
        records=Annotated[Any, RecordsReader()] | None,
        block=Annotated[str, Keyword(("nodata", "nxdomain", "refused"))] | None,
        upstream=IdentifierText | None,
        ttl=TtlSeconds | None,
    )
    register_class(
        converter, Rule, check_rule, name=IdentifierText, priority=Annotated[int, Integer(-1_000_000, 1_000_000)]
    )
    register_service(converter)


def list_text_kinds(cls: type) -> dict[str, object]:
    """The kinds of the fields of *cls* that have a WrittenText."""
    written = {attribute.name: attribute.metadata.get(WRITTEN) for attribute in fields(cls)}
    return {
        name: Annotated[str, Text(text.expected, pattern=text.pattern, max_length=text.max_length)] | None
        for name, text in written.items()
        if text is not None
    }


def register_service(converter: Converter) -> None:
    """Teach *converter* services."""
    converter.register_structure_hook(ServiceVersion, read_version)
    register_class(
        converter,
        ServicePolicy,
        check_service,
        versions=Mapping[IdentifierText, ServiceVersion],
        default=IdentifierText,
        ttl=TtlSeconds,
        salt=Annotated[str, Text("a salt")] | None,
        whitelist=Mapping[IdentifierText, tuple[Annotated[str, read_whitelist_entry], ...]],
        percent=Mapping[IdentifierText, Annotated[int, read_percent]],
        ranges=Mapping[IdentifierText, tuple[Annotated[tuple[int, int], read_range], ...]],
        weights=Mapping[IdentifierText, Annotated[int, Integer(0, 1_000_000)]],
        client_key=tuple[Annotated[str, Keyword(("identity", "subnet", "source"))], ...],
        client_prefix=Annotated[Any, read_client_prefix],
        allow_uneven=Annotated[bool, read_boolean],
    )


def read_client_prefix(value: object, /) -> dict[str, int]:
    """``{ipv4: 24, ipv6: 56}``: bits of an address that make a client, by family."""
    if not isinstance(value, dict) or not set(value) <= {"ipv4", "ipv6"}:
        raise make_validation_error(value, "bits by family, such as {ipv4: 24, ipv6: 56}")
    bits: dict[str, int] = {}
    wrong = IssueCollector()
    for family, text in value.items():
        with wrong.collect_at(family):
            bits[family] = Integer(1, 32 if family == "ipv4" else 128)(text)
    wrong.raise_collected()
    return bits


def check_conditions(when: RuleConditions, _broken: Collection[str]) -> Iterator[ValidationIssue]:
    """Yield conditions that no client can meet."""
    if len(when.tag) > MAX_TAGS:
        yield ValidationIssue(("tag",), f"{len(when.tag)} tags", f"at most {MAX_TAGS} tags")


def list_outcomes(then: RuleOutcome) -> list[str]:
    """The keys of *then* that say what happens."""
    return [key for key in ("version", "records", "block", "upstream") if getattr(then, key) is not None]


def check_outcome(then: RuleOutcome, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """A rule has exactly one outcome."""
    given = list_outcomes(then)
    if len(given) != 1 and not broken:
        found = " and ".join(repr(key) for key in given) or "none of them"
        yield ValidationIssue((), found, "exactly one of 'version', 'records', 'block', 'upstream'")


def check_rule(rule: Rule, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """A rule that says nothing of what happens has not been finished."""
    if not list_outcomes(rule.then) and "then" not in broken:
        yield ValidationIssue((), "no key 'then'", "'then', which is required")


def check_service(service: ServicePolicy, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """What the keys of one service say about each other."""
    yield from check_version_names(service)
    yield from check_shares(service)
    if not service.client_key or len(set(service.client_key)) < len(service.client_key):
        yield ValidationIssue(
            ("client_key",), format_value(", ".join(service.client_key)), "one or more sources, each once"
        )
    types = {
        name: frozenset(mnemonic for endpoint in version.endpoints for mnemonic in endpoint.records)
        for name, version in service.versions.items()
        if version.consul is None
    }
    if not service.allow_uneven and len(set(types.values())) > 1 and "allow_uneven" not in broken:
        found = "; ".join(f"{name}: {', '.join(sorted(kinds))}" for name, kinds in types.items())
        yield ValidationIssue(
            ("versions",), f"different types ({found})", "the same types in all, or 'allow_uneven: true'"
        )


def check_version_names(service: ServicePolicy) -> Iterator[ValidationIssue]:
    """Versions that are named and do not exist."""
    if not service.versions:
        yield ValidationIssue(("versions",), "no version", "at least one version")
        return
    known = f"one of the versions {', '.join(service.versions)}"
    if service.default not in service.versions:
        yield ValidationIssue(("default",), f"the unknown version {service.default!r}", known)
    for key in ("whitelist", "percent", "ranges", "weights"):
        for name in getattr(service, key):
            if name not in service.versions:
                yield ValidationIssue((key, name), f"the unknown version {name!r}", known, True)


def check_shares(service: ServicePolicy) -> Iterator[ValidationIssue]:
    """At most one way to split, and one that adds up."""
    given = [key for key in ("weights", "percent", "ranges") if getattr(service, key)]
    for key in given[1:]:
        yield ValidationIssue(
            (key,), f"{key!r} beside {given[0]!r}", "only one of 'weights', 'percent', 'ranges'", True
        )
    if service.default in service.percent:
        found = f"the default version {service.default!r}"
        yield ValidationIssue(
            ("percent", service.default), found, "other versions only: the default has what is left", True
        )
    if len(service.percent) > 2:
        yield ValidationIssue(("percent",), f"{len(service.percent)} versions", "at most two, or 'ranges' for more")
    if (total := sum(service.percent.values())) > WHOLE_IN_MILLIONTHS:
        yield ValidationIssue(("percent",), f"{percent(total)} % in all", "at most 100 %")
    if service.weights and not any(service.weights.values()):
        yield ValidationIssue(("weights",), "only weights of 0", "at least one weight above 0")
    ranges = sorted((pair, name) for name, pairs in service.ranges.items() for pair in pairs)
    for (before, one), (after, other) in pairwise(ranges):
        if after[0] < before[1]:
            found = f"{format_percent_range(after)} of {other!r} over {format_percent_range(before)} of {one!r}"
            yield ValidationIssue(("ranges", other), found, "ranges that do not overlap")


def percent(millionths: int) -> str:
    """A share of the whole as a user writes it."""
    return f"{millionths / 10_000:.4f}".rstrip("0").removesuffix(".")


def format_percent_range(pair: tuple[int, int]) -> str:
    """A bucket range as a user writes it."""
    return f"{percent(pair[0])}-{percent(pair[1])}"


def check_rule_names(rules: Iterable[Rule]) -> Iterator[ValidationIssue]:
    """Rules that bear the name of an earlier one; paths start at the list."""
    seen: Counter[str] = Counter()
    for index, rule in enumerate(rules):
        seen[rule.name] += 1
        if seen[rule.name] > 1:
            yield ValidationIssue((index, "name"), f"the rule {rule.name!r} again", "a name of its own for each rule")
