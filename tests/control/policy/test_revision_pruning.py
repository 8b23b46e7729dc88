"""Pruning: which revisions go, and that nothing goes which somebody has touched since."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.control.policy.policy_store import (
    MAX_PRUNED_REVISIONS,
    RetentionLimit,
    prune_revisions,
    select_old_revisions,
)
from graydns.control.policy.publication import read_rows
from graydns.control.policy.revisions import active_key, list_revisions
from graydns.model.errors import ControlError
from tests.control.policy.making import published, strategy
from tests.control.running import in_reactor
from tests.txconsul.running import consul_at
from tools.consul import ConsulServer

PREFIX = "gray/"


def listing(*numbers: int) -> dict[str, bytes]:
    return {f"gray/strategy/{number}/meta": b"{}" for number in numbers}


@given(
    st.sets(st.integers(1, 60), max_size=40),
    st.integers(0, 60),
    st.integers(2, 10),
    st.sets(st.integers(1, 60), max_size=2),
)
def test_what_goes(numbers: set[int], active: int, keep: int, kept: set[int]) -> None:
    """Never the active one, one above it or one that is to stay; of the others as many stay as were asked for."""
    gone = select_old_revisions(listing(*numbers), PREFIX, RetentionLimit(active, 1, keep, kept))
    left = numbers - set(gone)
    assert all(number < active and number not in kept and number in numbers for number in gone)
    below = {number for number in left if number < active}
    assert len(below) >= min(keep - 1, len({number for number in numbers if number < active}))
    assert len(below - kept) <= keep - 1
    assert not gone or max(gone) < min(below - kept, default=active)


def test_at_once() -> None:
    """What has piled up over years goes little by little, from the lowest on."""
    gone = select_old_revisions(listing(*range(1, 501)), PREFIX, RetentionLimit(500, 1, 20))
    assert gone == tuple(range(1, MAX_PRUNED_REVISIONS + 1))


def fill(agent: ConsulServer, numbers: range) -> None:
    """Have unsigned revisions, the last one being active."""
    for number in numbers:
        for key, value in published(strategy(number), None).items():
            agent.must("PUT", f"/v1/kv/{key}", value)


def left(agent: ConsulServer) -> tuple[int, ...]:
    return list_revisions(dict.fromkeys(agent.must("GET", "/v1/kv/gray/?keys"), b""), PREFIX)


@in_reactor
async def test_in_consul(agent: ConsulServer) -> None:
    """More than one transaction takes; a key of somebody's own in a revision goes with it."""
    fill(agent, range(1, 31))
    agent.must("PUT", "/v1/kv/gray/strategy/3/notes", b"of somebody")
    agent.must("PUT", "/v1/kv/gray/strategy/40/meta", b"{}")
    async with consul_at(agent.address) as consul:
        rows = await read_rows(consul, PREFIX)
        bound = RetentionLimit(30, rows.modify_indexes[active_key(PREFIX)], 4, {5})
        gone = await prune_revisions(consul, PREFIX, rows, bound)
    assert gone == (*range(1, 5), *range(6, 27))
    assert left(agent) == (5, 27, 28, 29, 30, 40)
    assert agent.must("GET", "/v1/kv/gray/strategy/active?raw") == 30


@in_reactor
async def test_what_was_touched_stays(agent: ConsulServer) -> None:
    """Another revision that is active since, and a key that was written since, end it; that revision stays whole."""
    fill(agent, range(1, 6))
    async with consul_at(agent.address) as consul:
        rows = await read_rows(consul, PREFIX)
        index = rows.modify_indexes[active_key(PREFIX)]
        agent.must("PUT", "/v1/kv/gray/strategy/1/percent", b"{}")
        with pytest.raises(ControlError, match="another client"):
            await prune_revisions(consul, PREFIX, rows, RetentionLimit(5, index, 2))
        assert left(agent) == (1, 2, 3, 4, 5)
        rows = await read_rows(consul, PREFIX)
        agent.must("PUT", "/v1/kv/gray/strategy/active", b"2")
        with pytest.raises(ControlError, match="another client"):
            await prune_revisions(consul, PREFIX, rows, RetentionLimit(5, index, 2))
    assert left(agent) == (1, 2, 3, 4, 5)
    assert len(agent.must("GET", "/v1/kv/gray/?keys")) == 5 * 5 + 1
