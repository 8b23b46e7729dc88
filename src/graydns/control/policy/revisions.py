"""Parses the keys of policy revisions below a prefix. Nothing is verified yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, TypeVar

from attrs import field, frozen

from graydns.config.canonical_json import JsonValue, parse_json, to_yaml_node
from graydns.config.issues import IssueCollector, ValidationError, ValidationIssue
from graydns.config.release_policy import PolicySignature, ReleasePolicy
from graydns.config.scalar import TenantName
from graydns.config.schema import structure_as
from graydns.control.policy.policy_errors import (
    IncompleteRevisionError,
    InvalidRevisionError,
    MalformedRevisionError,
    NoActiveRevisionError,
)
from graydns.control.policy.signatures import SIGNATURE_KEY, SIGNED_KEYS, build_signed_message
from graydns.model.errors import ConfigIssue
from graydns.model.name import from_text

ValueT = TypeVar("ValueT")

#: Keys below a prefix -> what they hold, as Consul's KV has them.
KeyValues = Mapping[str, bytes]

#: In the place of a tenant: all of them.
ALL_TENANTS_KEY = "*"

#: Octets: no signature that is one has as many.
_MAX_SIGNATURE_BYTES = 4096

_REVISION_PATTERN = re.compile(rb"[1-9][0-9]{0,15}")


@frozen
class RevisionEnvelope:
    """A revision as it stands in KV, complete, and not parsed: its signature can be checked at once, while what
    is in it may be large. *entries*: its keys, whole, with their octets, and the one that makes it active.
    """

    revision: int
    prefix: str
    entries: KeyValues = field(repr=False)

    def key(self, name: str) -> str:
        """The whole key of *name*."""
        return f"{revision_folder(self.prefix, self.revision)}{name}"


@frozen
class RevisionCandidate(RevisionEnvelope):
    """A revision each of whose keys is readable JSON. *body*: JSON by key, but for the signature. *signed_message*: see
    ``signatures.build_signed_message``.
    """

    body: Mapping[str, JsonValue] = field(repr=False)
    signed_message: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """What tells it from all others: SHA-256 of what is signed, in hexadecimal."""
        return sha256(self.signed_message).hexdigest()


def active_key(prefix: str) -> str:
    """The key that names the active revision."""
    return f"{prefix}strategy/active"


def revision_folder(prefix: str, revision: int) -> str:
    """What the keys of *revision* begin with."""
    return f"{prefix}strategy/{revision}/"


def read_active(listing: KeyValues, prefix: str) -> int:
    """The revision that is active. Raises NoActiveRevisionError, MalformedRevisionError."""
    key = active_key(prefix)
    if (value := listing.get(key)) is None:
        raise NoActiveRevisionError(key)
    if not _REVISION_PATTERN.fullmatch(value.strip()):
        found = repr(value[:20].decode("ascii", "replace"))
        raise MalformedRevisionError((ConfigIssue((), found, "the number of a revision, 1 or above", key),))
    return int(value)


def find_active_envelope(listing: KeyValues, prefix: str) -> RevisionEnvelope:
    """The active revision. Raises NoActiveRevisionError, MalformedRevisionError, IncompleteRevisionError,
    InvalidRevisionError."""
    return find_envelope(listing, prefix, read_active(listing, prefix))


def read_active_candidate(listing: KeyValues, prefix: str) -> RevisionCandidate:
    """The active revision, opened. Raises NoActiveRevisionError, MalformedRevisionError, IncompleteRevisionError,
    InvalidRevisionError."""
    return read_revision_candidate(listing, prefix, read_active(listing, prefix))


def read_revision_candidate(listing: KeyValues, prefix: str, revision: int) -> RevisionCandidate:
    """One revision, active or not, opened. Raises MalformedRevisionError, IncompleteRevisionError,
    InvalidRevisionError."""
    envelope = find_envelope(listing, prefix, revision)
    _parse_signature(envelope)
    return open_envelope(envelope)


def find_envelope(listing: KeyValues, prefix: str, revision: int) -> RevisionEnvelope:
    """One revision, active or not. Raises IncompleteRevisionError, InvalidRevisionError."""
    folder = revision_folder(prefix, revision)
    found = {
        key.removeprefix(folder): value for key, value in listing.items() if key.startswith(folder) and key != folder
    }
    known = (*SIGNED_KEYS, SIGNATURE_KEY)
    if missing := tuple(folder + name for name in SIGNED_KEYS if name not in found):
        raise IncompleteRevisionError(revision, missing)
    if strange := [name for name in found if name not in known]:
        faults = (
            ConfigIssue((), "an unknown key", f"one of {', '.join(known)}", folder + name) for name in sorted(strange)
        )
        raise InvalidRevisionError(tuple(faults))
    entries = {folder + name: value for name, value in found.items()}
    entries[active_key(prefix)] = str(revision).encode()
    return RevisionEnvelope(revision, prefix, entries)


def open_envelope(envelope: RevisionEnvelope) -> RevisionCandidate:
    """The JSON of every key but the signature. Raises MalformedRevisionError."""
    wrong = IssueCollector()
    body: dict[str, Any] = {}
    forms: dict[str, bytes] = {}
    for name in SIGNED_KEYS:
        with wrong.collect_at(name):
            body[name], forms[name] = parse_json(envelope.entries[envelope.key(name)])
    if wrong:
        raise MalformedRevisionError(locate_issues(wrong, envelope.key("")))
    return RevisionCandidate(
        envelope.revision, envelope.prefix, envelope.entries, body, build_signed_message(body["meta"], forms)
    )


def read_strategy(candidate: RevisionCandidate) -> ReleasePolicy:
    """What *candidate* says, but for its signature. Raises InvalidRevisionError."""
    return _structure({name: to_yaml_node(value) for name, value in candidate.body.items()}, ReleasePolicy, candidate)


def read_signature(envelope: RevisionEnvelope) -> PolicySignature | None:
    """The signature of *envelope*; None if there is none. Raises MalformedRevisionError, InvalidRevisionError."""
    if envelope.key(SIGNATURE_KEY) not in envelope.entries:
        return None
    return _structure(to_yaml_node(_parse_signature(envelope)), PolicySignature, envelope, SIGNATURE_KEY)


def _parse_signature(envelope: RevisionEnvelope) -> JsonValue:
    """The JSON of the signature, None if there is none. Raises MalformedRevisionError."""
    wrong = IssueCollector()
    parsed: JsonValue = None
    if (octets := envelope.entries.get(envelope.key(SIGNATURE_KEY))) is None:
        return None
    with wrong.collect_at(SIGNATURE_KEY):
        if len(octets) > _MAX_SIGNATURE_BYTES:
            raise ValidationError((ValidationIssue((), f"{len(octets)} octets", f"at most {_MAX_SIGNATURE_BYTES}"),))
        parsed = parse_json(octets)[0]
    if wrong:
        raise MalformedRevisionError(locate_issues(wrong, envelope.key("")))
    return parsed


def abort_folder(prefix: str) -> str:
    """What the keys of aborted services begin with."""
    return f"{prefix}abort/"


def off_folder(prefix: str) -> str:
    """What the keys of tenants begin with whose services all give their default."""
    return f"{prefix}off/"


def read_aborts(listing: KeyValues, prefix: str) -> tuple[dict[bytes, str], tuple[str, ...]]:
    """Services that are aborted on all nodes (wire form), with what their keys hold; and keys that name no service."""
    return _read_named_keys(listing, abort_folder(prefix), from_text)


def read_offs(listing: KeyValues, prefix: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Tenants, or EVERY, that are off on all nodes, with what their keys hold; and keys that name no tenant."""
    return _read_named_keys(listing, off_folder(prefix), _parse_tenant)


def _parse_tenant(text: str) -> str:
    try:
        return text if text == ALL_TENANTS_KEY else TenantName()(text)
    except ValidationError as error:
        raise ValueError(text) from error


def _read_named_keys(
    listing: KeyValues, folder: str, read: Callable[[str], ValueT]
) -> tuple[dict[ValueT, str], tuple[str, ...]]:
    found: dict[ValueT, str] = {}
    strange: list[str] = []
    for key, value in sorted(listing.items()):
        if not key.startswith(folder) or key == folder:
            continue
        try:
            found[read(key.removeprefix(folder))] = value.decode("utf-8", "replace")[:255]
        except ValueError:
            strange.append(key)
    return found, tuple(strange)


def list_revisions(listing: KeyValues, prefix: str) -> tuple[int, ...]:
    """The numbers of all revisions that have a key, lowest first."""
    pattern = re.compile(re.escape(f"{prefix}strategy/") + r"([1-9][0-9]{0,15})/.*", re.DOTALL)
    return tuple(sorted({int(match[1]) for match in map(pattern.fullmatch, listing) if match}))


def locate_issues(
    issues: Iterator[ValidationIssue] | list[ValidationIssue] | tuple[ValidationIssue, ...], folder: str
) -> tuple[ConfigIssue, ...]:
    """*issues*, whose paths begin with the name of a key in *folder*, as issues of those keys."""
    return tuple(
        ConfigIssue(issue.path[1:], issue.found, issue.expected, f"{folder}{issue.path[0] if issue.path else ''}")
        for issue in issues
    )


def _structure(root: object, cls: type[ValueT], envelope: RevisionEnvelope, *head: str) -> ValueT:
    made, issues = structure_as(root, cls)
    if made is None:
        raise InvalidRevisionError(locate_issues([issue.under(*head) for issue in issues], envelope.key("")))
    return made
