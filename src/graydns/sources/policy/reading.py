"""Reading: what the keys below a prefix say, as far as a revision is concerned. Nothing is believed yet."""

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
from graydns.model.errors import ConfigIssue
from graydns.model.name import from_text
from graydns.sources.policy.errors import Absent, Incomplete, Invalid, Malformed
from graydns.sources.policy.signing import BODY, SIGNATURE, message

T = TypeVar("T")

#: Keys below a prefix -> what they hold, as Consul's KV has them.
KeyValues = Mapping[str, bytes]

#: In the place of a tenant: all of them.
EVERY = "*"

#: Octets: no signature that is one has as many.
_LARGEST_SIGNATURE = 4096

_REVISION = re.compile(rb"[1-9][0-9]{0,15}")


@frozen
class Envelope:
    """A revision as it stands in KV, complete, and not opened: whose signature it has can be told at once, while what
    is in it may be large. *entries*: its keys, whole, with their octets, and the one that makes it active.
    """

    revision: int
    prefix: str
    entries: KeyValues = field(repr=False)

    def key(self, name: str) -> str:
        """The whole key of *name*."""
        return f"{folder_of(self.prefix, self.revision)}{name}"


@frozen
class Candidate(Envelope):
    """A revision each of whose keys is readable JSON. *body*: JSON by key, but for the signature. *signed*: see
    ``signing.message``.
    """

    body: Mapping[str, JsonValue] = field(repr=False)
    signed: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """What tells it from all others: SHA-256 of what is signed, in hexadecimal."""
        return sha256(self.signed).hexdigest()


def active_key(prefix: str) -> str:
    """The key that names the active revision."""
    return f"{prefix}strategy/active"


def folder_of(prefix: str, revision: int) -> str:
    """What the keys of *revision* begin with."""
    return f"{prefix}strategy/{revision}/"


def read_active(listing: KeyValues, prefix: str) -> int:
    """The revision that is active. Raises Absent, Malformed."""
    key = active_key(prefix)
    if (value := listing.get(key)) is None:
        raise Absent(key)
    if not _REVISION.fullmatch(value.strip()):
        found = repr(value[:20].decode("ascii", "replace"))
        raise Malformed((ConfigIssue((), found, "the number of a revision, 1 or above", key),))
    return int(value)


def find_active(listing: KeyValues, prefix: str) -> Envelope:
    """The active revision. Raises Absent, Malformed, Incomplete, Invalid."""
    return find_revision(listing, prefix, read_active(listing, prefix))


def read_candidate(listing: KeyValues, prefix: str) -> Candidate:
    """The active revision, opened. Raises Absent, Malformed, Incomplete, Invalid."""
    return read_revision(listing, prefix, read_active(listing, prefix))


def read_revision(listing: KeyValues, prefix: str, revision: int) -> Candidate:
    """One revision, active or not, opened. Raises Malformed, Incomplete, Invalid."""
    envelope = find_revision(listing, prefix, revision)
    _signature_of(envelope)
    return open_envelope(envelope)


def find_revision(listing: KeyValues, prefix: str, revision: int) -> Envelope:
    """One revision, active or not. Raises Incomplete, Invalid."""
    folder = folder_of(prefix, revision)
    found = {
        key.removeprefix(folder): value for key, value in listing.items() if key.startswith(folder) and key != folder
    }
    known = (*BODY, SIGNATURE)
    if missing := tuple(folder + name for name in BODY if name not in found):
        raise Incomplete(revision, missing)
    if strange := [name for name in found if name not in known]:
        faults = (
            ConfigIssue((), "an unknown key", f"one of {', '.join(known)}", folder + name) for name in sorted(strange)
        )
        raise Invalid(tuple(faults))
    entries = {folder + name: value for name, value in found.items()}
    entries[active_key(prefix)] = str(revision).encode()
    return Envelope(revision, prefix, entries)


def open_envelope(envelope: Envelope) -> Candidate:
    """The JSON of every key but the signature. Raises Malformed."""
    wrong = IssueCollector()
    body: dict[str, Any] = {}
    forms: dict[str, bytes] = {}
    for name in BODY:
        with wrong.collect_at(name):
            body[name], forms[name] = parse_json(envelope.entries[envelope.key(name)])
    if wrong:
        raise Malformed(faults_of(wrong, envelope.key("")))
    return Candidate(envelope.revision, envelope.prefix, envelope.entries, body, message(body["meta"], forms))


def read_strategy(candidate: Candidate) -> ReleasePolicy:
    """What *candidate* says, but for its signature. Raises Invalid."""
    return _read({name: to_yaml_node(value) for name, value in candidate.body.items()}, ReleasePolicy, candidate)


def read_signature(envelope: Envelope) -> PolicySignature | None:
    """The signature of *envelope*; None if there is none. Raises Malformed, Invalid."""
    if envelope.key(SIGNATURE) not in envelope.entries:
        return None
    return _read(to_yaml_node(_signature_of(envelope)), PolicySignature, envelope, SIGNATURE)


def _signature_of(envelope: Envelope) -> JsonValue:
    """The JSON of the signature, None if there is none. Raises Malformed."""
    wrong = IssueCollector()
    parsed: JsonValue = None
    if (octets := envelope.entries.get(envelope.key(SIGNATURE))) is None:
        return None
    with wrong.collect_at(SIGNATURE):
        if len(octets) > _LARGEST_SIGNATURE:
            raise ValidationError((ValidationIssue((), f"{len(octets)} octets", f"at most {_LARGEST_SIGNATURE}"),))
        parsed = parse_json(octets)[0]
    if wrong:
        raise Malformed(faults_of(wrong, envelope.key("")))
    return parsed


def abort_folder(prefix: str) -> str:
    """What the keys of aborted services begin with."""
    return f"{prefix}abort/"


def off_folder(prefix: str) -> str:
    """What the keys of tenants begin with whose services all give their default."""
    return f"{prefix}off/"


def read_aborts(listing: KeyValues, prefix: str) -> tuple[dict[bytes, str], tuple[str, ...]]:
    """Services that are aborted on all nodes (wire form), with what their keys hold; and keys that name no service."""
    return _named(listing, abort_folder(prefix), from_text)


def read_offs(listing: KeyValues, prefix: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Tenants, or EVERY, that are off on all nodes, with what their keys hold; and keys that name no tenant."""
    return _named(listing, off_folder(prefix), _tenant)


def _tenant(text: str) -> str:
    try:
        return text if text == EVERY else TenantName()(text)
    except ValidationError as error:
        raise ValueError(text) from error


def _named(listing: KeyValues, folder: str, read: Callable[[str], T]) -> tuple[dict[T, str], tuple[str, ...]]:
    found: dict[T, str] = {}
    strange: list[str] = []
    for key, value in sorted(listing.items()):
        if not key.startswith(folder) or key == folder:
            continue
        try:
            found[read(key.removeprefix(folder))] = value.decode("utf-8", "replace")[:255]
        except ValueError:
            strange.append(key)
    return found, tuple(strange)


def revisions(listing: KeyValues, prefix: str) -> tuple[int, ...]:
    """The numbers of all revisions that have a key, lowest first."""
    pattern = re.compile(re.escape(f"{prefix}strategy/") + r"([1-9][0-9]{0,15})/.*", re.DOTALL)
    return tuple(sorted({int(match[1]) for match in map(pattern.fullmatch, listing) if match}))


def faults_of(
    misfits: Iterator[ValidationIssue] | list[ValidationIssue] | tuple[ValidationIssue, ...], folder: str
) -> tuple[ConfigIssue, ...]:
    """*misfits*, whose paths begin with the name of a key in *folder*, as faults of those keys."""
    return tuple(
        ConfigIssue(misfit.path[1:], misfit.found, misfit.expected, f"{folder}{misfit.path[0] if misfit.path else ''}")
        for misfit in misfits
    )


def _read(root: object, cls: type[T], envelope: Envelope, *head: str) -> T:
    made, misfits = structure_as(root, cls)
    if made is None:
        raise Invalid(faults_of([misfit.under(*head) for misfit in misfits], envelope.key("")))
    return made
