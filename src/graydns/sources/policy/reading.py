"""Reading: what the keys below a prefix say, as far as a revision is concerned. Nothing is believed yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, TypeVar

from attrs import field, frozen

from graydns.config.canonical import Json, as_texts, parse
from graydns.config.misfit import Gathering, Misfit, Misfits
from graydns.config.scalar import TenantName
from graydns.config.schema import structured
from graydns.config.strategy import Signature, Strategy
from graydns.model.errors import Fault
from graydns.model.name import from_text
from graydns.sources.policy.errors import Absent, Incomplete, Invalid, Malformed
from graydns.sources.policy.signing import BODY, SIGNATURE, message

T = TypeVar("T")

#: Keys below a prefix -> what they hold, as Consul's KV has them.
KeyValues = Mapping[str, bytes]

#: In the place of a tenant: all of them.
EVERY = "*"

_REVISION = re.compile(rb"[1-9][0-9]{0,15}")


@frozen
class Candidate:
    """A revision as it stands in KV, each of its keys readable JSON. *entries*: its keys, whole, with their octets, and
    the one that makes it active. *body*: JSON by key, but for the *signature*. *signed*: see ``signing.message``.
    """

    revision: int
    prefix: str
    entries: KeyValues = field(repr=False)
    body: Mapping[str, Json] = field(repr=False)
    signature: Json = field(repr=False)
    signed: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """What tells it from all others: SHA-256 of what is signed, in hexadecimal."""
        return sha256(self.signed).hexdigest()

    def key(self, name: str) -> str:
        """The whole key of *name*."""
        return f"{folder_of(self.prefix, self.revision)}{name}"


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
        raise Malformed((Fault((), found, "the number of a revision, 1 or above", key),))
    return int(value)


def read_candidate(listing: KeyValues, prefix: str) -> Candidate:
    """The active revision. Raises Absent, Malformed, Incomplete, Invalid."""
    return read_revision(listing, prefix, read_active(listing, prefix))


def read_revision(listing: KeyValues, prefix: str, revision: int) -> Candidate:
    """One revision, active or not. Raises Malformed, Incomplete, Invalid."""
    folder = folder_of(prefix, revision)
    found = {
        key.removeprefix(folder): value for key, value in listing.items() if key.startswith(folder) and key != folder
    }
    known = (*BODY, SIGNATURE)
    if missing := tuple(folder + name for name in BODY if name not in found):
        raise Incomplete(revision, missing)
    if strange := [name for name in found if name not in known]:
        faults = (Fault((), "an unknown key", f"one of {', '.join(known)}", folder + name) for name in sorted(strange))
        raise Invalid(tuple(faults))
    body, forms = _parsed(found, folder)
    entries = {folder + name: value for name, value in found.items()}
    entries[active_key(prefix)] = str(revision).encode()
    return Candidate(revision, prefix, entries, body, body.pop(SIGNATURE, None), message(body["meta"], forms))


def _parsed(found: KeyValues, folder: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The JSON of every key, and its canonical form. Raises Malformed."""
    wrong = Gathering()
    body: dict[str, Any] = {}
    forms: dict[str, bytes] = {}
    for name, value in found.items():
        with wrong.at(name):
            body[name], forms[name] = parse(value)
    if wrong:
        raise Malformed(faults_of(wrong, folder))
    return body, forms


def read_strategy(candidate: Candidate) -> Strategy:
    """What *candidate* says, but for its signature. Raises Invalid."""
    return _read({name: as_texts(value) for name, value in candidate.body.items()}, Strategy, candidate)


def read_signature(candidate: Candidate) -> Signature | None:
    """The signature of *candidate*; None if there is none. Raises Invalid."""
    if candidate.key(SIGNATURE) not in candidate.entries:
        return None
    return _read(as_texts(candidate.signature), Signature, candidate, SIGNATURE)


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
    except Misfits as error:
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


def faults_of(misfits: Iterator[Misfit] | list[Misfit] | tuple[Misfit, ...], folder: str) -> tuple[Fault, ...]:
    """*misfits*, whose paths begin with the name of a key in *folder*, as faults of those keys."""
    return tuple(
        Fault(misfit.path[1:], misfit.found, misfit.expected, f"{folder}{misfit.path[0] if misfit.path else ''}")
        for misfit in misfits
    )


def _read(root: object, cls: type[T], candidate: Candidate, *head: str) -> T:
    made, misfits = structured(root, cls)
    if made is None:
        folder = folder_of(candidate.prefix, candidate.revision)
        raise Invalid(faults_of([misfit.under(*head) for misfit in misfits], folder))
    return made
