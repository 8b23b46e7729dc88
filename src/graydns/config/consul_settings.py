"""The section ``consul:`` of graydns.yaml: where Consul is, what is answered from it, and whose policies count."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated

from attrs import evolve, field, frozen

from graydns.config.address import read_name, read_path
from graydns.config.issues import ValidationError, ValidationIssue, make_validation_error
from graydns.config.scalar import Duration, Identifier, Integer, TenantName, Text, Ttl, read_boolean
from graydns.model.name import from_text

#: Seconds that the records of a service live for which ``service_ttl`` says nothing.
DEFAULT_SERVICE_TTL_SECONDS = 5

#: In ``service_ttl``, at the end of a name: every service whose name begins so.
PATTERN_WILDCARD = "*"

#: Octets of an Ed25519 public key (RFC 8032 section 5.1.5).
PUBLIC_KEY_BYTES = 32

#: Octets of a label (RFC 1035 section 2.3.4): the name of a datacenter is one.
MAX_LABEL_BYTES = 63

#: Octets of a domain below which there is room for the longest names that SRV records have: 32 digits, ``addr`` and a
#: datacenter.
MAX_DOMAIN_BYTES = 255 - (1 + 32) - (1 + 4) - (1 + MAX_LABEL_BYTES)

#: The highest revision: the highest whole number that all readers of JSON agree on (RFC 7493 section 2.2).
MAX_POLICY_REVISION = 2**53 - 1

_ADDRESS_PATTERN = re.compile(
    r"(https?)://(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})))(?::([1-9][0-9]{0,4}))?/?"
)

_TOKEN_PATTERN = re.compile(r"[\x21-\x7e]{1,255}")


@frozen
class Secret:
    """A text that is never shown."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "(not shown)"


def read_consul_address(value: object, /) -> str:
    """``http://HOST:PORT`` or ``https://HOST:PORT``, without a path."""
    match = _ADDRESS_PATTERN.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[4] or 0) > 65535 or (match[2] and not _is_ipv6(match[2])):
        raise make_validation_error(value, "http://HOST:PORT or https://HOST:PORT (IPv6 in brackets), without a path")
    return match[0].removesuffix("/")


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text).packed)
    except ValueError:
        return False


def read_acl_token(value: object, /) -> Secret:
    """A token of ConsulSettings's ACLs."""
    if not isinstance(value, str) or not _TOKEN_PATTERN.fullmatch(value):
        raise ValidationError(
            (ValidationIssue((), "something else", "a token of 1 to 255 printable ASCII characters"),)
        )
    return Secret(value)


@frozen
class LowercaseText(Text):
    """A text in which letter case does not matter."""

    def __call__(self, value: object, /) -> str:
        """The text in lower case."""
        return super().__call__(value).lower()


read_datacenter = LowercaseText(
    "a datacenter's name of 1 to 63 letters, digits, '-' or '_'", max_length=MAX_LABEL_BYTES, pattern=r"[A-Za-z0-9_-]+"
)
read_service_pattern = LowercaseText(
    "a service's name, the beginning of one with * after it, or *", pattern=r"[^\x00-\x20\x7f*]*\*?"
)
read_kv_prefix = Text("a prefix of keys such as gray/, with / at its end only", pattern=r"([A-Za-z0-9._-]+/)+")


def read_public_key(value: object, /) -> bytes:
    """An Ed25519 public key: base64 of its 32 octets, as ``graydnsctl policy keygen`` prints it."""
    octets = decode_base64(value) if isinstance(value, str) else None
    if octets is None or len(octets) != PUBLIC_KEY_BYTES:
        raise make_validation_error(value, f"an Ed25519 public key: {PUBLIC_KEY_BYTES} octets in base64")
    return octets


def decode_base64(text: str) -> bytes | None:
    """What *text* has in base64 (RFC 4648 section 4), None unless it is exactly how those octets are written."""
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return octets if base64.b64encode(octets).decode() == text else None


@frozen
class ConsulTlsSettings:
    """Files in PEM. *ca*: authorities of Consul's certificate, None = the system's; *certificate* and *key*: ours, both
    or none."""

    ca: Annotated[Path, read_path] | None = None
    certificate: Annotated[Path, read_path] | None = None
    key: Annotated[Path, read_path] | None = None

    def resolve_paths(self, folder: Path) -> ConsulTlsSettings:
        """The same with every path that is not absolute taken from *folder*."""
        ca, certificate, key = self.ca, self.certificate, self.key
        return ConsulTlsSettings(ca and folder / ca, certificate and folder / certificate, key and folder / key)


@frozen
class PolicyKeySettings:
    """A key that policies may be signed with, by its *id*: an Ed25519 public key, or a file with an HMAC secret."""

    id: Annotated[str, Identifier()]
    ed25519: Annotated[bytes, read_public_key] | None = None
    hmac_sha256_file: Annotated[Path, read_path] | None = None

    def resolve_paths(self, folder: Path) -> PolicyKeySettings:
        """The same with a path that is not absolute taken from *folder*."""
        return evolve(self, hmac_sha256_file=self.hmac_sha256_file and folder / self.hmac_sha256_file)


@frozen
class ConsulPolicySettings:
    """Policies below *prefix* in ConsulSettings's KV. *unsigned*: they need no signature. *tenant*: the only one they
    may be for; None = for whichever they say. *keep*: so many revisions stay in KV, the active one and those before it.
    *least*: the lowest number of a revision that is taken.
    """

    prefix: Annotated[str, read_kv_prefix] = "gray/"
    keys: tuple[PolicyKeySettings, ...] = ()
    unsigned: Annotated[bool, read_boolean] = False
    tenant: Annotated[str, TenantName()] | None = None
    keep: Annotated[int, Integer(2, 1000)] = 20
    least: Annotated[int, Integer(0, MAX_POLICY_REVISION)] = 0


@frozen(kw_only=True)
class ConsulSettings:
    """*token*, *token_file*: at most one; without either the environment's CONSUL_HTTP_TOKEN counts. *domain*: see
    ``model.name``. *name_servers*: those of the domain, see ``snapshot.domain``. *service_ttl*: seconds by name or
    pattern, see ``ttl_of``. *stale_after*: seconds.
    """

    address: Annotated[str, read_consul_address] = "http://127.0.0.1:8500"
    tls: ConsulTlsSettings | None = None
    token: Annotated[Secret, read_acl_token] | None = None
    token_file: Annotated[Path, read_path] | None = None
    datacenter: Annotated[str, read_datacenter] | None = None
    domain: Annotated[bytes, read_name] = from_text("consul.")
    name_servers: tuple[Annotated[bytes, read_name], ...] = ()
    only_passing: Annotated[bool, read_boolean] = False
    service_ttl: Mapping[Annotated[str, read_service_pattern], Annotated[int, Ttl("1d")]] = field(factory=dict)
    policy: ConsulPolicySettings | None = None
    stale_after: Annotated[float, Duration("1s", "7d")] = 60.0

    def ttl_of(self, service: str) -> int:
        """Seconds for the records of *service*: those of its name, else of the longest pattern, else
        DEFAULT_SERVICE_TTL_SECONDS."""
        name = service.lower()
        if (exact := self.service_ttl.get(name)) is not None:
            return exact
        fitting = [
            key
            for key in self.service_ttl
            if key.endswith(PATTERN_WILDCARD) and name.startswith(key.removesuffix(PATTERN_WILDCARD))
        ]
        return self.service_ttl[max(fitting, key=len)] if fitting else DEFAULT_SERVICE_TTL_SECONDS

    def resolve_paths(self, folder: Path) -> ConsulSettings:
        """The same with every path that is not absolute taken from *folder*."""
        tls, policy = self.tls, self.policy
        if tls is not None:
            tls = tls.resolve_paths(folder)
        if policy is not None:
            policy = evolve(policy, keys=tuple(key.resolve_paths(folder) for key in policy.keys))
        return evolve(self, tls=tls, policy=policy, token_file=self.token_file and folder / self.token_file)


def check_consul_tls(tls: ConsulTlsSettings, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """A certificate is of no use without its key."""
    if not {"certificate", "key"} & set(broken) and (tls.certificate is None) != (tls.key is None):
        given, absent = ("key", "certificate") if tls.certificate is None else ("certificate", "key")
        yield ValidationIssue((given,), f"{given!r} without {absent!r}", "both of them, or none", True)


def check_policy_key(key: PolicyKeySettings, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """A key is of one kind."""
    kinds = ("ed25519", "hmac_sha256_file")
    given = [kind for kind in kinds if getattr(key, kind) is not None]
    if len(given) != 1 and not set(kinds) & set(broken):
        found = " and ".join(map(repr, given)) or "none of them"
        yield ValidationIssue((), found, f"exactly one of {', '.join(map(repr, kinds))}")


def check_consul_policy(policy: ConsulPolicySettings, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """Policies are accepted only if ``keys`` or ``unsigned`` is given."""
    if not {"keys", "unsigned"} & set(broken):
        if not policy.keys and not policy.unsigned:
            yield ValidationIssue((), "no 'keys'", "the keys that policies are signed with, or 'unsigned: true'")
        if policy.keys and policy.unsigned:
            yield ValidationIssue(("unsigned",), "'unsigned: true' beside 'keys'", "only one of them", True)
    seen: set[str] = set()
    for index, key in enumerate(policy.keys):
        if key.id in seen:
            yield ValidationIssue(("keys", index, "id"), f"the key {key.id!r} again", "an id of its own for each key")
        seen.add(key.id)


def check_consul(consul: ConsulSettings, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """What the keys of the section say about each other."""
    if "domain" not in broken and len(consul.domain) > MAX_DOMAIN_BYTES:
        expected = f"at most {MAX_DOMAIN_BYTES}, so that names below it have room"
        yield ValidationIssue(("domain",), f"a name of {len(consul.domain)} octets", expected)
    if consul.tls is not None and "address" not in broken and not consul.address.startswith("https:"):
        yield ValidationIssue(("tls",), f"'tls' for {consul.address}", "an 'address' that begins with https://", True)
    if consul.token is not None and consul.token_file is not None:
        yield ValidationIssue(("token",), "'token' beside 'token_file'", "only one of them", True)
