"""Three servers, of which the leader goes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.task import deferLater

from tests.coroutines import on_reactor
from tests.txconsul.running import consul_at, following, in_thread, reactor, until
from tools.consul import ConsulServer, leader_of
from txconsul import ConsulClient
from txconsul.reply import ConsulError, NoLeaderError

pytestmark = pytest.mark.timeout(90)


async def written(consul: ConsulClient, key: str, value: str) -> list[ConsulError]:
    """Write until it works; the errors on the way."""
    errors: list[ConsulError] = []
    while True:
        try:
            await consul.request("PUT", f"kv/{key}", body=value)
        except ConsulError as error:
            errors.append(error)
            await deferLater(reactor, 0.05, lambda: None)
        else:
            return errors


@on_reactor
async def test_a_stale_watch_lives_through_the_loss_of_the_leader(three_servers: Sequence[ConsulServer]) -> None:
    """It fails at no time; writes are told that there is no leader, and what the next leader takes is seen."""
    leader = await in_thread(leader_of, three_servers)
    follower = next(each for each in three_servers if each is not leader)
    async with consul_at(follower.address) as consul, following(consul, "kv/key", {"raw": True}) as key:
        await written(consul, "key", "old")
        await until(lambda: bool(key.replies) and key.replies[-1].body == b"old")
        await key.until_held()
        errors = await gone_and_written(leader, consul)
        assert any(isinstance(error, NoLeaderError) for error in errors)
        await until(lambda: key.replies[-1].body == b"new")
        assert not key.errors
        assert key.replies[-1].known_leader


async def gone_and_written(leader: ConsulServer, consul: ConsulClient) -> list[ConsulError]:
    leader.kill()
    return await written(consul, "key", "new")


@on_reactor
async def test_without_a_quorum_a_stale_watch_says_what_was_known(three_servers: Sequence[ConsulServer]) -> None:
    """And says that no leader is known; a watch that insists on one fails, and both go on once the others are back."""
    survivor, *others = three_servers
    async with consul_at(survivor.address, timeout=3.0) as consul:
        await written(consul, "key", "old")
        async with (
            following(consul, "kv/key", {"raw": True}, wait=1.0) as stale,
            following(consul, "kv/key", {"raw": True}, wait=1.0, stale=False) as strict,
        ):
            await until(lambda: all(each.replies and each.replies[-1].body == b"old" for each in (stale, strict)))
            for other in others:
                await in_thread(other.kill)
            await until(lambda: stale.heard[-1].known_leader is False)
            await until(lambda: not strict.watch.is_healthy)
            assert stale.replies[-1].body == b"old"
            assert not stale.errors
            for other in others:
                other.start()
            await written(consul, "key", "new")
            await until(lambda: stale.replies[-1].body == strict.replies[-1].body == b"new")
