"""Publishing: policies written to Consul's KV, in one transaction each, over what was read and nothing else.

A key that is written must not exist yet, and ``active`` must be as it was read: the first writer wins, and the
other gets an error. A revision that this server would refuse is not published.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import evolve, field, frozen

from graydns.config.canonical_json import canonicalize, parse_json
from graydns.config.issues import ValidationError
from graydns.control.policy import acceptance
from graydns.control.policy.acceptance import AcceptanceTerms, PolicyRevision
from graydns.control.policy.policy_errors import (
    NoActiveRevisionError,
    NotYetValidError,
    PolicyError,
    RevisionRollbackError,
)
from graydns.control.policy.revisions import (
    KeyValues,
    abort_folder,
    active_key,
    find_envelope,
    list_revisions,
    off_folder,
    read_active,
    read_revision_candidate,
    revision_folder,
)
from graydns.control.policy.signatures import SIGNATURE_KEY, SIGNED_KEYS
from graydns.model.errors import ControlError
from txconsul import ConsulClient, ConsulReply
from txconsul.reply import ConsulError, RequestRefusedError

#: Status of a transaction that did not find what it was to find.
_STATUS_CONFLICT = 409

#: Status for a transaction that is too large, and Consul's default limit in octets. Values are in it in base64.
_STATUS_TOO_LARGE = 413
_DEFAULT_TRANSACTION_BYTES = 524_288

#: The last revisions that are listed.
MAX_LISTED_REVISIONS = 50


@frozen
class KvRows:
    """Keys of KV: what they hold, and the indexes of their last change and of their making."""

    values: KeyValues = field(repr=False)
    modify_indexes: Mapping[str, int] = field(repr=False)
    create_indexes: Mapping[str, int] = field(factory=dict, repr=False)


def select_relevant_rows(reply: ConsulReply, prefix: str) -> KvRows:
    """The rows that count of those in *reply* to a query with ``recurse``: of the active revision, and of halts. Old
    revisions, which may be large, are not decoded.
    """
    rows = {row["Key"]: row for row in reply.json or []}
    active = _decode_rows([rows[key] for key in (active_key(prefix),) if key in rows]).values
    folders = [abort_folder(prefix), off_folder(prefix)]
    with suppress(PolicyError):
        folders.append(revision_folder(prefix, read_active(active, prefix)))
    return _decode_rows([row for key, row in rows.items() if key in active or key.startswith(tuple(folders))])


def decode_reply(reply: ConsulReply) -> KvRows:
    """The rows in *reply* to a query with ``recurse``."""
    return _decode_rows(reply.json or [])


def _decode_rows(rows: Sequence[Mapping[str, Any]]) -> KvRows:
    values = {row["Key"]: base64.b64decode(row["Value"] or "") for row in rows}
    changed, created = ({row["Key"]: int(row[index]) for row in rows} for index in ("ModifyIndex", "CreateIndex"))
    return KvRows(values, changed, created)


async def read_rows(consul: ConsulClient, prefix: str) -> KvRows:
    """All below *prefix*, as the leader has it. Raises ControlError."""
    return decode_reply(await _request(consul, "GET", f"kv/{prefix}", {"recurse": True}))


def parse_revision(text: str, terms: AcceptanceTerms) -> tuple[int, KeyValues]:
    """The number and the keys of the revision that *text* is, as ``policy sign`` prints it. Raises ControlError."""
    try:
        body = parse_json(text.encode())[0]
    except ValidationError as error:
        first = error.issues[0]
        raise ControlError(f"found {first.found}, expected {first.expected}") from None
    known = (*SIGNED_KEYS, SIGNATURE_KEY)
    if not isinstance(body, Mapping) or not set(SIGNED_KEYS) <= set(body) <= set(known):
        raise ControlError(f"a revision has the keys {', '.join(SIGNED_KEYS)}, and {SIGNATURE_KEY}")
    number = body["meta"].get("revision") if isinstance(body["meta"], Mapping) else None
    if not isinstance(number, int) or number < 1:
        raise ControlError("meta has no revision, a number of 1 or above")
    return number, {revision_folder(terms.prefix, number) + name: canonicalize(value) for name, value in body.items()}


def identify_revision(text: str, terms: AcceptanceTerms) -> dict[str, Any]:
    """What tells the revision that *text* is from others. Raises ControlError."""
    number, entries = parse_revision(text, terms)
    try:
        candidate = read_revision_candidate(entries, terms.prefix, number)
    except PolicyError as error:
        raise ControlError(str(error)) from None
    meta = candidate.body["meta"]
    tenant = meta.get("tenant") if isinstance(meta, Mapping) else None
    named = tenant if isinstance(tenant, str) else None
    return {"revision": number, "tenant": named, "digest": candidate.digest}


def check_publishable(
    rows: KeyValues, number: int, state: acceptance.AcceptanceState, terms: AcceptanceTerms, now: float
) -> PolicyRevision | None:
    """Revision *number* of *rows*, if it would be taken once it is active; None if its time has not come yet.

    Raises ControlError with the reason why not.
    """
    listing = {**rows, active_key(terms.prefix): str(number).encode()}
    judged, revision = acceptance.evaluate_listing(evolve(state, running=None, offered=None), listing, terms, now)
    if judged.refused is not None and not isinstance(judged.refused, NotYetValidError):
        raise ControlError(str(judged.refused))
    return revision


def find_active_number(rows: KeyValues, prefix: str) -> int:
    """The revision that is active, 0 = none is. Raises ControlError."""
    try:
        return read_active(rows, prefix)
    except NoActiveRevisionError:
        return 0
    except PolicyError as error:
        raise ControlError(str(error)) from None


def check_base(rows: KeyValues, base: int, terms: AcceptanceTerms) -> None:
    """Raise ControlError unless *base* is the active revision of *rows*, 0 = none is."""
    if (active := find_active_number(rows, terms.prefix)) != base:
        found = f"revision {active} is active" if active else "no revision is active"
        expected = f"{base}, of which the new one is made" if base else "none"
        raise ControlError(f"{found}, and not {expected}; nothing was written (see `status`)")


async def write_revision(
    consul: ConsulClient, prefix: str, number: int, entries: KeyValues, rows: KvRows, *, activate: bool
) -> int:
    """Publish the new *entries* of revision *number*, and with *activate* let it count. The index of the last change of
    ``active`` after that, 0 = it is not there. Raises ControlError.
    """
    key = active_key(prefix)
    operations = [_cas_operation(name, value, 0) for name, value in entries.items()]
    if activate:
        operations += _activation_operations(prefix, number, rows)
    reply = await transact(consul, operations)
    indexes = {each["KV"]["Key"]: int(each["KV"]["ModifyIndex"]) for each in reply.json["Results"]}
    return indexes.get(key, rows.modify_indexes.get(key, 0))


async def activate(consul: ConsulClient, prefix: str, number: int, rows: KvRows) -> None:
    """Let revision *number* count, if it still is what was read. Raises ControlError."""
    folder = revision_folder(prefix, number)
    same = [
        {"KV": {"Verb": "check-index", "Key": key, "Index": index}}
        for key, index in rows.modify_indexes.items()
        if key.startswith(folder)
    ]
    await transact(consul, [*same, *_activation_operations(prefix, number, rows)])


async def put_key(consul: ConsulClient, key: str, text: str) -> None:
    """Have *key*, whatever was there. Raises ControlError."""
    await _request(consul, "PUT", f"kv/{key}", body=text)


async def create_key(consul: ConsulClient, key: str, value: bytes) -> None:
    """Have *key* if there is none. Raises ControlError."""
    await transact(consul, [_cas_operation(key, value, 0)])


async def delete_key(consul: ConsulClient, key: str) -> None:
    """Have *key* no more. Raises ControlError."""
    await _request(consul, "DELETE", f"kv/{key}")


def summarize_revisions(
    rows: KeyValues, state: acceptance.AcceptanceState, terms: AcceptanceTerms, now: float
) -> list[dict[str, Any]]:
    """The last revisions in short, lowest first."""
    return [
        _summarize_revision(rows, number, state, terms, now)
        for number in list_revisions(rows, terms.prefix)[-MAX_LISTED_REVISIONS:]
    ]


def export_revision(rows: KeyValues, number: int | None, terms: AcceptanceTerms) -> dict[str, Any]:
    """Revision *number*, None = the active one, as it can be pushed. Raises ControlError."""
    try:
        number = number or read_active(rows, terms.prefix)
        if number not in list_revisions(rows, terms.prefix):
            raise ControlError(f"there is no revision {number}; `policy list` shows those that there are")
        candidate = read_revision_candidate(rows, terms.prefix, number)
    except PolicyError as error:
        raise ControlError(str(error)) from None
    folder = revision_folder(terms.prefix, number)
    return {
        key.removeprefix(folder): json.loads(value)
        for key, value in sorted(candidate.entries.items())
        if key.startswith(folder)
    }


def _summarize_revision(
    rows: KeyValues, number: int, state: acceptance.AcceptanceState, terms: AcceptanceTerms, now: float
) -> dict[str, Any]:
    active = rows.get(active_key(terms.prefix), b"").strip() == str(number).encode()
    runs = state.running is not None and state.running.number == number
    row: dict[str, Any] = {"revision": number, "active": active, "running": runs, "state": "ok"}
    row |= dict.fromkeys(("tenant", "signed_by", "author", "description"))
    try:
        envelope = find_envelope(rows, terms.prefix, number)
        candidate, signature, strategy = acceptance.verify_envelope(envelope, terms)
        meta = strategy.meta
        row |= {"tenant": meta.tenant, "author": meta.author, "description": meta.description}
        row |= {"signed_by": None if signature is None else signature.key}
        acceptance.check_acceptable(state.mark, candidate, meta, now)
    except RevisionRollbackError:
        return row | {
            "state": RevisionRollbackError.reason
        }  # as nearly all of them are, so the reason need not be spelled out
    except PolicyError as error:
        return row | {"state": f"{error.reason}: {error}"}
    return row


def _activation_operations(prefix: str, number: int, rows: KvRows) -> Iterator[dict[str, Any]]:
    key = active_key(prefix)
    yield _cas_operation(key, str(number).encode(), rows.modify_indexes.get(key, 0))


def _cas_operation(key: str, value: bytes, index: int) -> dict[str, Any]:
    """Write *key* if its last change is *index*, 0 = if it is not there."""
    coded = base64.b64encode(value).decode()
    return {"KV": {"Verb": "cas", "Key": key, "Value": coded, "Index": index}}


async def transact(consul: ConsulClient, operations: list[dict[str, Any]]) -> ConsulReply:
    """Do them all, or none. Raises ControlError."""
    body = json.dumps(operations, separators=(",", ":")).encode()
    try:
        return await consul.request("PUT", "txn", body=body)
    except RequestRefusedError as error:
        if error.reply.status == _STATUS_CONFLICT:
            raise ControlError("another client has changed the policies meanwhile, and nothing was written") from None
        if error.reply.status == _STATUS_TOO_LARGE:
            raise ControlError(
                f"too large for a transaction, and nothing was written: it has {len(body)} octets in base64, and "
                f"Consul takes {_DEFAULT_TRANSACTION_BYTES} unless its limits.txn_max_req_len says otherwise"
            ) from None
        raise ControlError(f"Consul refused it: {error}") from None
    except ConsulError as error:
        raise ControlError(f"Consul did not confirm that it was written: {error}") from None


async def _request(
    consul: ConsulClient, method: str, path: str, params: Any = None, body: str | None = None
) -> ConsulReply:
    try:
        return await consul.request(method, path, params, body)
    except ConsulError as error:
        raise ControlError(f"Consul: {error or type(error).__name__}") from None
