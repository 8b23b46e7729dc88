"""Publishing: of two writers one wins, KV never has half a revision, and what Consul takes at most can be written."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred, gatherResults

from graydns.config.canonical_json import canonicalize
from graydns.control.policy import publication
from graydns.control.policy.publication import KvRows, read_rows
from graydns.control.policy.revisions import KeyValues, active_key, revision_folder
from graydns.model.errors import ControlError
from tests.control.policy.making import TERMS, published, strategy
from tests.control.running import in_reactor
from tests.txconsul.running import consul_at
from tools.consul import ConsulServer
from txconsul import ConsulClient

PREFIX = "gray/"

#: Octets that Consul takes in a transaction.
LIMIT = 524_288


def entries(number: int, canary: str) -> KeyValues:
    """The keys of an unsigned revision."""
    made = published(strategy(number, percent={"api.a.test": {"canary": canary}}), None)
    return {key: value for key, value in made.items() if key != active_key(PREFIX)}


async def attempt(consul: ConsulClient, number: int, keys: KeyValues, rows: KvRows) -> str:
    """What becomes of publishing *keys* over *rows*."""
    try:
        await publication.write_revision(consul, PREFIX, number, keys, rows, activate=True)
    except ControlError as error:
        return str(error)
    return "won"


@pytest.mark.parametrize("second", [8, 9])
@in_reactor
async def test_two_who_read_the_same(second: int, agent: ConsulServer) -> None:
    """With the same number or another: one is published as a whole, of the other there is nothing."""
    async with consul_at(agent.address) as one, consul_at(agent.address) as other:
        for turn in range(10):
            agent.call("DELETE", "/v1/kv/gray/?recurse")
            rows = await read_rows(one, PREFIX)
            await publication.write_revision(one, PREFIX, 7, entries(7, "0"), rows, activate=True)
            rows = await read_rows(one, PREFIX)
            both = [(one, 8, entries(8, "10")), (other, second, entries(second, "20"))]
            if turn % 2:
                both.reverse()
            ends = await gatherResults([Deferred.fromCoroutine(attempt(*each, rows)) for each in both])
            assert sorted(end == "won" for end in ends) == [False, True]
            assert all(end == "won" or "another client" in end for end in ends)
            (number, keys) = next(each[1:] for each, end in zip(both, ends, strict=True) if end == "won")
            kept = (await read_rows(one, PREFIX)).values
            assert kept == {**entries(7, "0"), **keys, active_key(PREFIX): str(number).encode()}


EMPTY_KV = KvRows({}, {})


def filled(number: int, size: int) -> KeyValues:
    """A revision whose transaction has *size* octets, or up to three more, as base64 goes in steps of four."""
    made = dict(entries(number, "10"))
    key = f"{revision_folder(PREFIX, number)}whitelist"

    def with_filling(count: int) -> dict[str, bytes]:
        return {**made, key: canonicalize({"api.a.test": {"canary": ["client:" + "x" * count]}})}

    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if transaction(with_filling(middle), number) >= size else (middle + 1, high)
    return with_filling(low)


def transaction(keys: KeyValues, number: int, rows: KvRows = EMPTY_KV) -> int:
    """The octets of the transaction that publishes *keys* where KV holds *rows*."""
    sent: list[bytes] = []

    class Recorder:
        def request(self, *_: object, body: bytes) -> Deferred[object]:
            sent.append(body)
            return Deferred()

    writing = publication.write_revision(Recorder(), PREFIX, number, keys, rows, activate=True)  # type: ignore[arg-type]
    Deferred.fromCoroutine(writing)
    return len(sent[0])


@in_reactor
async def test_both_sides_of_consuls_limit(agent: ConsulServer) -> None:
    """The largest transaction that Consul takes is written; past it the error says how large it is, and by how much."""
    fits, over = filled(8, LIMIT - 8), filled(9, LIMIT + 1)
    assert LIMIT - 8 <= transaction(fits, 8) <= LIMIT < transaction(over, 9)
    async with consul_at(agent.address) as consul:
        rows = await read_rows(consul, PREFIX)
        await publication.write_revision(consul, PREFIX, 8, fits, rows, activate=True)
        rows = await read_rows(consul, PREFIX)
        assert {**fits, active_key(PREFIX): b"8"} == rows.values
        with pytest.raises(
            ControlError, match=rf"too large.*nothing was written: it has {transaction(over, 9, rows)} octets"
        ):
            await publication.write_revision(consul, PREFIX, 9, over, rows, activate=True)
        assert (await read_rows(consul, PREFIX)).values == rows.values


def test_a_base_that_is_not_active_any_more() -> None:
    """Whoever drafts from a revision must find it active when he publishes; 0 stands for none."""
    rows = published(strategy(7))
    publication.check_base(rows, 7, TERMS)
    publication.check_base({}, 0, TERMS)
    for base, listing, told in (
        (8, rows, "revision 7 is active"),
        (7, {}, "no revision is active"),
        (0, rows, "not none"),
    ):
        with pytest.raises(ControlError, match=told):
            publication.check_base(listing, base, TERMS)
    with pytest.raises(ControlError, match="number of a revision"):
        publication.check_base({active_key(PREFIX): b"x"}, 7, TERMS)
    assert json.loads(rows["gray/strategy/7/meta"])["revision"] == 7


@in_reactor
async def test_what_is_followed(agent: ConsulServer) -> None:
    """Of all that is below the prefix only the active revision, and what is halted; whatever ``active`` says."""
    halts = {"gray/abort/api.a.test": b"anna", "gray/off/*": b""}
    more = {**entries(6, "1"), **entries(70, "1"), "gray/audit/ns1": b"{}", "gray/strategy/activeness": b""}
    for key, value in {**entries(7, "10"), **halts, **more}.items():
        agent.must("PUT", f"/v1/kv/{key}", value)
    async with consul_at(agent.address) as consul:
        for active, count in ((b"7", entries(7, "10")), (b"x", {}), (b"", {}), (b"8", {})):
            agent.must("PUT", f"/v1/kv/{active_key(PREFIX)}", active)
            reply = await consul.request("GET", "kv/gray/", {"recurse": True})
            rows = publication.select_relevant_rows(reply, PREFIX)
            assert rows.values == {**count, **halts, active_key(PREFIX): active}
            assert rows.create_indexes[active_key(PREFIX)] > 0
