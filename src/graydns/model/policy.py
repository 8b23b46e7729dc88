"""Policy: rules and splits of a tenant, as data.

``config`` reads these from files, ``gray`` compiles them into a Router; later sources (Consul, the
admin interface) produce the same values. Names are text as the user wrote it; normalising is the compiler's work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from attrs import field, frozen

#: RR type mnemonic -> rdata in presentation format.
RecordTexts = Mapping[str, tuple[str, ...]]


class WrittenText(NamedTuple):
    """How a text is written in files: what is *expected*, for people; the *pattern* that it fully matches."""

    expected: str
    pattern: str = r"[^\x00-\x1f\x7f]*"
    max_length: int = 255


#: Key of a field's metadata: its WrittenText, where nothing else need be said of how it is read.
WRITTEN = "written"


def condition(expected: str, **more: Any) -> Any:
    """A condition of a rule that is a text in files; the rest as WrittenText."""
    return field(default=None, metadata={WRITTEN: WrittenText(expected, **more)})


@frozen
class RuleConditions:
    """The conditions of a rule; all that are given must hold. None = not tested. Each has a Dimension in
    ``gray.dimensions``.

    *source*: CIDR against the client subnet if present, else the sender. *subnet*: CIDR against the
    client subnet only. *client*: identity, ``tls:…``, ``tsig:…`` or ``client:…`` (also written bare).
    *tag*: every pair must be present. *country*: ISO 3166-1 alpha-2, *subdivision*: ISO 3166-2
    (``CN-BJ``), *city*: GeoNames English name. *name*: pattern, see docs/gray-routing.md.
    *regex*: RE2, full match on the lowered name without final dot. *qtype*: mnemonic. *transport*: udp, tcp, tls.
    """

    source: str | None = None
    subnet: str | None = None
    client: str | None = None
    tag: Mapping[str, str] = field(factory=dict)
    country: str | None = condition("a country's two letters such as CN", pattern="[A-Za-z]{2}")
    subdivision: str | None = condition("a subdivision such as CN-BJ", pattern="[A-Za-z]{2}-[A-Za-z0-9]{1,3}")
    city: str | None = condition("a city's English name", max_length=200)
    name: str | None = condition("a pattern of names", max_length=1024)
    regex: str | None = condition("a regular expression (RE2)", max_length=1000)
    qtype: str | None = None
    transport: str | None = None


@frozen
class RuleOutcome:
    """What a rule does: exactly one of version, records, block, upstream; *ttl* (seconds) caps or gives TTLs."""

    version: str | None = None
    records: RecordTexts | None = None
    block: str | None = None
    upstream: str | None = None
    ttl: int | None = None


@frozen
class Rule:
    """One named rule."""

    name: str
    when: RuleConditions = field(factory=RuleConditions)
    then: RuleOutcome = field(factory=RuleOutcome)
    priority: int = 0


@frozen
class ServiceEndpoint:
    """One place a version can be reached at: its records by type, and its share of first places."""

    records: RecordTexts
    weight: int = 1


@frozen
class ConsulVersionSource:
    """Instances of a *service* of Consul's as the endpoints of a version.

    *service*, *tag*: lowered; "" = whatever their tags. *meta*: what instances must have registered, all of it.
    *panic_threshold*: millionths of them that have to be healthy. *rise*, *fall*: seconds for which an instance must
    have been healthy, or not, before that counts.
    """

    service: str
    tag: str = ""
    meta: Mapping[str, str] = field(factory=dict)
    panic_threshold: int = 500_000
    rise: float = 0.0
    fall: float = 0.0

    @property
    def description(self) -> str:
        """What is meant, for people."""
        tests = [f"tag {self.tag}"] if self.tag else []
        tests += [f"{key}={value}" for key, value in self.meta.items()]
        return self.service + (f" ({', '.join(tests)})" if tests else "")


@frozen
class ServiceVersion:
    """A record set behind a service. *answers*: endpoints per answer, None = 1 if weights differ, else all. *consul*:
    where the endpoints come from, if they are not written here.
    """

    endpoints: tuple[ServiceEndpoint, ...]
    answers: int | None = None
    consul: ConsulVersionSource | None = None


@frozen
class ServicePolicy:
    """A name under release control (docs/gray-routing.md).

    *ttl*: seconds. *salt*: part of the hash key, None = the service's name. *whitelist*: version ->
    ``client:…`` / ``tls:…`` / ``tsig:…`` / ``net:CIDR``. *percent*: version -> millionths of clients (10 % = 100,000).
    *ranges*: version -> half-open bucket ranges in millionths. *weights*: version -> share.
    *client_key*: sources of the client key, first present wins. *client_prefix*: family -> bits.
    """

    versions: Mapping[str, ServiceVersion]
    default: str
    ttl: int = 5
    salt: str | None = None
    whitelist: Mapping[str, tuple[str, ...]] = field(factory=dict)
    percent: Mapping[str, int] = field(factory=dict)
    ranges: Mapping[str, tuple[tuple[int, int], ...]] = field(factory=dict)
    weights: Mapping[str, int] = field(factory=dict)
    client_key: tuple[str, ...] = ("identity", "subnet", "source")
    client_prefix: Mapping[str, int] = field(factory=dict)
    allow_uneven: bool = False
