"""The conditions of a rule in normal form, and how specific they are."""

from __future__ import annotations

from ipaddress import ip_network
from typing import NamedTuple

import re2

from graydns.gray.geo import fold_city
from graydns.gray.name_patterns import NamePattern, PatternForm, parse_pattern
from graydns.gray.policy_records import parse_rdtype
from graydns.model.client import Subnet
from graydns.model.errors import PolicyIssues
from graydns.model.policy import RuleConditions
from graydns.model.transport import TRANSPORTS, Transport

#: Prefixes of an identity, strongest last.
IDENTITY_PREFIXES = ("client:", "tsig:", "tls:")


class CompiledConditions(NamedTuple):
    """What a rule tests; equal conditions match equal queries. None or () = not tested.

    *network*: tested against the client subnet if there is one, else the sender; with *subnet_only* against the
    subnet only. *tags*: sorted pairs. *dimensions*: how many keys ``when`` has.
    """

    network: Subnet | None = None
    subnet_only: bool = False
    identity: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    country: str | None = None
    subdivision: str | None = None
    city: str | None = None
    pattern: NamePattern | None = None
    regex: str | None = None
    qtype: int | None = None
    transport: Transport | None = None
    dimension_count: int = 0

    @property
    def is_geographic(self) -> bool:
        """Whether they test where an address is."""
        return self.country is not None or self.subdivision is not None or self.city is not None

    @property
    def is_personal(self) -> bool:
        """Whether they test something of the client that no cache can key by."""
        return self.identity is not None or bool(self.tags)


def rank_conditions(conditions: CompiledConditions) -> int:
    """How specific *conditions* are: of two rules that match, the higher rank wins (contract 4.2).

    (identity and address) > (name and address) > number of dimensions, then identity, address, name, qtype and
    transport, each in a field of bits of its own, the most important leftmost.
    """
    identity = _rank_identity(conditions)
    address = _rank_address(conditions)
    name = _rank_name(conditions)
    pair = 2 if identity and address else 1 if name and address else 0
    ranked = 0
    for value, bits in (
        (pair, 2),
        (conditions.dimension_count, 4),
        (identity, 8),
        (address, 8),
        (name, 11),
        (conditions.qtype is not None, 1),
        (conditions.transport is not None, 1),
    ):
        ranked = ranked << bits | value
    return ranked


def _rank_identity(conditions: CompiledConditions) -> int:
    """0 = not tested; tag < client < tsig < tls, then more tags over fewer."""
    identity = conditions.identity
    kind = next(at for at, head in enumerate(IDENTITY_PREFIXES, 2) if identity.startswith(head)) if identity else 1
    pairs = min(len(conditions.tags), 31)
    return kind << 5 | pairs if conditions.is_personal else 0


def _rank_address(conditions: CompiledConditions) -> int:
    """0 = not tested; country < subdivision < city < any prefix, longer over shorter."""
    if conditions.network is not None:
        return 4 + conditions.network.prefix
    if conditions.city is not None:
        return 3
    return 2 if conditions.subdivision is not None else 1 if conditions.country is not None else 0


def _rank_name(conditions: CompiledConditions) -> int:
    """0 = not tested; regex < fewer literal characters < more of them < exact, and without a * over with one."""
    pattern = conditions.pattern
    if pattern is None:
        return 0 if conditions.regex is None else 1
    if pattern.form is PatternForm.EXACT:
        return 1 << 10
    return min(pattern.literal_length, 255) << 2 | (3 if pattern.form is PatternForm.LABEL else 2)


def compile_conditions(when: RuleConditions, faults: PolicyIssues) -> CompiledConditions:
    """Normalise *when*; what is wrong in it is added to *faults*."""
    source = None if when.source is None else parse_network(when.source, faults, "source")
    subnet = None if when.subnet is None else parse_network(when.subnet, faults, "subnet")
    if source and subnet and not (_is_supernet(source, subnet) or _is_supernet(subnet, source)):
        faults.add("source and subnet apart from each other", "networks one of which is in the other", "subnet")
    dimensions = [
        when.source, when.subnet, when.client, when.tag or None, when.country, when.subdivision, when.city,
        when.name, when.regex, when.qtype, when.transport,
    ]  # fmt: skip
    return CompiledConditions(
        # A subnet, where there is one, is what source tests too: testing both is testing the narrower.
        network=source if subnet is None or (source is not None and source.prefix > subnet.prefix) else subnet,
        subnet_only=subnet is not None,
        identity=None if when.client is None else parse_identity(when.client),
        tags=tuple(sorted(when.tag.items())),
        country=None if when.country is None else when.country.upper(),
        subdivision=None if when.subdivision is None else when.subdivision.upper(),
        city=None if when.city is None else fold_city(when.city),
        pattern=None if when.name is None else _parse_name(when.name, faults),
        regex=None if when.regex is None else _parse_regex(when.regex, faults),
        qtype=None if when.qtype is None else _parse_qtype(when.qtype, faults),
        transport=None if when.transport is None else _parse_transport(when.transport, faults),
        dimension_count=len(dimensions) - dimensions.count(None),
    )


def parse_network(text: str, faults: PolicyIssues, *steps: str) -> Subnet | None:
    """A CIDR without bits after its prefix; it stands *steps* under *faults*."""
    try:
        network = ip_network(text)
    except ValueError as error:
        faults.add(f"{text!r} ({error})", "a network in CIDR notation, no bits set after the prefix", *steps)
        return None
    return Subnet(network.network_address.packed, network.prefixlen)


def parse_identity(text: str) -> str:
    """An identity with its namespace; a bare one is a ``client:`` tag."""
    return text if text.startswith(IDENTITY_PREFIXES) else "client:" + text


def make_regex_options(*, memory: int = 8 << 20) -> re2.Options:
    """How every expression is read: RE2 without regard to case, silent on errors, within *memory* bytes."""
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = memory
    return options


def _is_supernet(wide: Subnet, narrow: Subnet) -> bool:
    if len(wide.address) != len(narrow.address) or wide.prefix > narrow.prefix:
        return False
    spare = 8 * len(wide.address) - wide.prefix
    return int.from_bytes(wide.address, "big") >> spare == int.from_bytes(narrow.address, "big") >> spare


def _parse_name(text: str, faults: PolicyIssues) -> NamePattern | None:
    try:
        return parse_pattern(text)
    except ValueError as error:
        faults.add(f"{text!r} ({error})", "a name pattern", "name")
        return None


def _parse_regex(text: str, faults: PolicyIssues) -> str | None:
    try:
        re2.compile(text, make_regex_options())
    except re2.error as error:
        faults.add(f"{text!r} ({error})", "an RE2 regular expression", "regex")
        return None
    return text


def _parse_qtype(text: str, faults: PolicyIssues) -> int | None:
    try:
        return parse_rdtype(text)
    except ValueError:
        faults.add(f"{text!r}", "an RR type", "qtype")
        return None


def _parse_transport(text: str, faults: PolicyIssues) -> Transport | None:
    if (transport := TRANSPORTS.get(text.lower())) is not None:
        return transport
    faults.add(f"{text!r}", f"one of {', '.join(TRANSPORTS)}", "transport")
    return None
