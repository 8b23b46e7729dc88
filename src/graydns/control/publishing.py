"""Publishing: policies written to Consul's KV, in one transaction each, over what was read and nothing else.

A key that is written must not be there yet, and ``active`` must be as it was read: whoever was faster wins, and the
other is told. A revision that this server would refuse is not published.
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
from graydns.model.errors import ControlError
from graydns.sources.policy import acceptance
from graydns.sources.policy.acceptance import Revision, Terms
from graydns.sources.policy.errors import Absent, Lower, NotYetValid, PolicyError
from graydns.sources.policy.reading import (
    KeyValues,
    abort_folder,
    active_key,
    find_revision,
    folder_of,
    off_folder,
    read_active,
    read_revision,
    revisions,
)
from graydns.sources.policy.signing import BODY, SIGNATURE
from txconsul import Consul, Reply
from txconsul.errors import ConsulError, Refused

#: Status of a transaction that did not find what it was to find.
_CONFLICT = 409

#: Status of one that is too large, and what Consul takes unless it was told otherwise. Values stand in it in base64.
_TOO_LARGE = 413
_TRANSACTION = 524_288

#: The last revisions that are listed.
MOST_LISTED = 50


@frozen
class Rows:
    """Keys of KV: what they hold, and the indexes of their last change and of their making."""

    values: KeyValues = field(repr=False)
    indexes: Mapping[str, int] = field(repr=False)
    created: Mapping[str, int] = field(factory=dict, repr=False)


def followed(reply: Reply, prefix: str) -> Rows:
    """The rows that count of those in *reply* to a query with ``recurse``: of the active revision, and of halts. Old
    revisions, which may be large, are not decoded.
    """
    rows = {row["Key"]: row for row in reply.json or []}
    active = _rows([rows[key] for key in (active_key(prefix),) if key in rows]).values
    folders = [abort_folder(prefix), off_folder(prefix)]
    with suppress(PolicyError):
        folders.append(folder_of(prefix, read_active(active, prefix)))
    return _rows([row for key, row in rows.items() if key in active or key.startswith(tuple(folders))])


def listed(reply: Reply) -> Rows:
    """The rows in *reply* to a query with ``recurse``."""
    return _rows(reply.json or [])


def _rows(rows: Sequence[Mapping[str, Any]]) -> Rows:
    values = {row["Key"]: base64.b64decode(row["Value"] or "") for row in rows}
    changed, created = ({row["Key"]: int(row[index]) for row in rows} for index in ("ModifyIndex", "CreateIndex"))
    return Rows(values, changed, created)


async def read_rows(consul: Consul, prefix: str) -> Rows:
    """All below *prefix*, as the leader has it. Raises ControlError."""
    return listed(await _ask(consul, "GET", f"kv/{prefix}", {"recurse": True}))


def revision_of(text: str, terms: Terms) -> tuple[int, KeyValues]:
    """The number and the keys of the revision that *text* is, as ``policy sign`` prints it. Raises ControlError."""
    try:
        body = parse_json(text.encode())[0]
    except ValidationError as error:
        first = error.issues[0]
        raise ControlError(f"found {first.found}, expected {first.expected}") from None
    known = (*BODY, SIGNATURE)
    if not isinstance(body, Mapping) or not set(BODY) <= set(body) <= set(known):
        raise ControlError(f"a revision has the keys {', '.join(BODY)}, and {SIGNATURE}")
    number = body["meta"].get("revision") if isinstance(body["meta"], Mapping) else None
    if not isinstance(number, int) or number < 1:
        raise ControlError("meta has no revision, a number of 1 or above")
    return number, {folder_of(terms.prefix, number) + name: canonicalize(value) for name, value in body.items()}


def name_of(text: str, terms: Terms) -> dict[str, Any]:
    """What tells the revision that *text* is from others. Raises ControlError."""
    number, entries = revision_of(text, terms)
    try:
        candidate = read_revision(entries, terms.prefix, number)
    except PolicyError as error:
        raise ControlError(str(error)) from None
    meta = candidate.body["meta"]
    tenant = meta.get("tenant") if isinstance(meta, Mapping) else None
    named = tenant if isinstance(tenant, str) else None
    return {"revision": number, "tenant": named, "digest": candidate.digest}


def check(rows: KeyValues, number: int, state: acceptance.State, terms: Terms, now: float) -> Revision | None:
    """Revision *number* of *rows*, if it would be taken once it is active; None if its time has not come yet.

    Raises ControlError with the reason why not.
    """
    listing = {**rows, active_key(terms.prefix): str(number).encode()}
    judged, revision = acceptance.offer(evolve(state, running=None, offered=None), listing, terms, now)
    if judged.refused is not None and not isinstance(judged.refused, NotYetValid):
        raise ControlError(str(judged.refused))
    return revision


def active_of(rows: KeyValues, prefix: str) -> int:
    """The revision that is active, 0 = none is. Raises ControlError."""
    try:
        return read_active(rows, prefix)
    except Absent:
        return 0
    except PolicyError as error:
        raise ControlError(str(error)) from None


def check_base(rows: KeyValues, base: int, terms: Terms) -> None:
    """Raise ControlError unless *base* is the active revision of *rows*, 0 = none is."""
    if (active := active_of(rows, terms.prefix)) != base:
        told = f"revision {active} is active" if active else "no revision is active"
        expected = f"{base}, of which the new one is made" if base else "none"
        raise ControlError(f"{told}, and not {expected}; nothing was written (see `status`)")


async def write(consul: Consul, prefix: str, number: int, entries: KeyValues, rows: Rows, *, activate: bool) -> int:
    """Publish the new *entries* of revision *number*, and with *activate* let it count. The index of the last change of
    ``active`` after that, 0 = it is not there. Raises ControlError.
    """
    key = active_key(prefix)
    operations = [_put(name, value, 0) for name, value in entries.items()]
    if activate:
        operations += _activation(prefix, number, rows)
    reply = await transact(consul, operations)
    indexes = {each["KV"]["Key"]: int(each["KV"]["ModifyIndex"]) for each in reply.json["Results"]}
    return indexes.get(key, rows.indexes.get(key, 0))


async def activate(consul: Consul, prefix: str, number: int, rows: Rows) -> None:
    """Let revision *number* count, if it still is what was read. Raises ControlError."""
    folder = folder_of(prefix, number)
    same = [
        {"KV": {"Verb": "check-index", "Key": key, "Index": index}}
        for key, index in rows.indexes.items()
        if key.startswith(folder)
    ]
    await transact(consul, [*same, *_activation(prefix, number, rows)])


async def put(consul: Consul, key: str, text: str) -> None:
    """Have *key*, whatever was there. Raises ControlError."""
    await _ask(consul, "PUT", f"kv/{key}", body=text)


async def put_new(consul: Consul, key: str, value: bytes) -> None:
    """Have *key* if there is none. Raises ControlError."""
    await transact(consul, [_put(key, value, 0)])


async def remove(consul: Consul, key: str) -> None:
    """Have *key* no more. Raises ControlError."""
    await _ask(consul, "DELETE", f"kv/{key}")


def rows_of(rows: KeyValues, state: acceptance.State, terms: Terms, now: float) -> list[dict[str, Any]]:
    """The last revisions in short, lowest first."""
    return [_row(rows, number, state, terms, now) for number in revisions(rows, terms.prefix)[-MOST_LISTED:]]


def content(rows: KeyValues, number: int | None, terms: Terms) -> dict[str, Any]:
    """Revision *number*, None = the active one, as it can be pushed. Raises ControlError."""
    try:
        number = number or read_active(rows, terms.prefix)
        if number not in revisions(rows, terms.prefix):
            raise ControlError(f"there is no revision {number}; `policy list` shows those that there are")
        candidate = read_revision(rows, terms.prefix, number)
    except PolicyError as error:
        raise ControlError(str(error)) from None
    folder = folder_of(terms.prefix, number)
    return {
        key.removeprefix(folder): json.loads(value)
        for key, value in sorted(candidate.entries.items())
        if key.startswith(folder)
    }


def _row(rows: KeyValues, number: int, state: acceptance.State, terms: Terms, now: float) -> dict[str, Any]:
    active = rows.get(active_key(terms.prefix), b"").strip() == str(number).encode()
    runs = state.running is not None and state.running.number == number
    row: dict[str, Any] = {"revision": number, "active": active, "running": runs, "state": "ok"}
    row |= dict.fromkeys(("tenant", "signed_by", "author", "description"))
    try:
        envelope = find_revision(rows, terms.prefix, number)
        candidate, signature, strategy = acceptance.read_signed(envelope, terms)
        meta = strategy.meta
        row |= {"tenant": meta.tenant, "author": meta.author, "description": meta.description}
        row |= {"signed_by": None if signature is None else signature.key}
        acceptance.check(state.mark, candidate, meta, now)
    except Lower:
        return row | {"state": Lower.reason}  # as nearly all of them are, so the reason need not be spelled out
    except PolicyError as error:
        return row | {"state": f"{error.reason}: {error}"}
    return row


def _activation(prefix: str, number: int, rows: Rows) -> Iterator[dict[str, Any]]:
    key = active_key(prefix)
    yield _put(key, str(number).encode(), rows.indexes.get(key, 0))


def _put(key: str, value: bytes, index: int) -> dict[str, Any]:
    """Write *key* if its last change is *index*, 0 = if it is not there."""
    coded = base64.b64encode(value).decode()
    return {"KV": {"Verb": "cas", "Key": key, "Value": coded, "Index": index}}


async def transact(consul: Consul, operations: list[dict[str, Any]]) -> Reply:
    """Do them all, or none. Raises ControlError."""
    body = json.dumps(operations, separators=(",", ":")).encode()
    try:
        return await consul.request("PUT", "txn", body=body)
    except Refused as error:
        if error.reply.status == _CONFLICT:
            raise ControlError("somebody else has changed the policies meanwhile, and nothing was written") from None
        if error.reply.status == _TOO_LARGE:
            raise ControlError(
                f"too large for a transaction, and nothing was written: it has {len(body)} octets in base64, and "
                f"Consul takes {_TRANSACTION} unless its limits.txn_max_req_len says otherwise"
            ) from None
        raise ControlError(f"Consul refused it: {error}") from None
    except ConsulError as error:
        raise ControlError(f"Consul did not confirm that it was written: {error}") from None


async def _ask(consul: Consul, method: str, path: str, params: Any = None, body: str | None = None) -> Reply:
    try:
        return await consul.request(method, path, params, body)
    except ConsulError as error:
        raise ControlError(f"Consul: {error or type(error).__name__}") from None
