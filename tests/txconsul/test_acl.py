"""Tokens: refused, deleted, replaced, and where lists are filtered instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.coroutines import on_reactor
from tests.txconsul.running import consul_at, following, in_thread, until
from tools.consul import MASTER, ConsulServer
from txconsul.reply import PermissionDeniedError, RequestRefusedError

pytestmark = pytest.mark.timeout(60)

RULES = (
    'key_prefix "acl/" { policy = "write" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'
)


async def new_token(agent: ConsulServer, name: str) -> dict[str, Any]:
    """A token that may write below acl/."""
    await in_thread(agent.call, "PUT", "/v1/acl/policy", {"Name": name, "Rules": RULES})
    token: dict[str, Any] = await in_thread(agent.must, "PUT", "/v1/acl/token", {"Policies": [{"Name": name}]})
    return token


@on_reactor
async def test_a_deleted_token_is_told_and_the_next_one_is_taken(acl_agent: ConsulServer, tmp_path: Path) -> None:
    """What was told stays told; the file is read again without anybody asking for it."""
    first, second = await new_token(acl_agent, "first"), await new_token(acl_agent, "second")
    file = tmp_path / "token"
    file.write_text(first["SecretID"])
    async with consul_at(acl_agent.address, token_file=file) as consul:
        await consul.request("PUT", "kv/acl/key", body="old")
        async with following(consul, "kv/acl/key", wait=1.0) as key:
            await key.until_replies(1)
            await in_thread(acl_agent.must, "DELETE", f"/v1/acl/token/{first['AccessorID']}")
            await until(lambda: bool(key.errors))
            assert isinstance(key.errors[0], PermissionDeniedError)
            assert "ACL not found" in str(key.errors[0])
            file.write_text(second["SecretID"])
            await until(lambda: key.watch.is_healthy)
            assert len(key.replies) == 1
            await consul.request("PUT", "kv/acl/key", body="new")
            await key.until_replies(2)


@on_reactor
async def test_lists_are_filtered_without_an_error(acl_agent: ConsulServer) -> None:
    """Consul answers as if there was nothing: whoever reads lists has to know."""
    async with consul_at(acl_agent.address, token=MASTER) as master, consul_at(acl_agent.address) as anonymous:
        await master.request("PUT", "kv/acl/list", body="1")
        assert (await anonymous.request("GET", "catalog/nodes")).json == []
        assert (await anonymous.request("GET", "kv/acl/", {"recurse": True})).status == 404
        with pytest.raises(PermissionDeniedError, match="Permission denied"):
            await anonymous.request("GET", "kv/acl/list")


@on_reactor
async def test_transactions_carry_the_token(acl_agent: ConsulServer) -> None:
    """py-consul alone forgets it there."""
    put = {"KV": {"Verb": "cas", "Key": "acl/txn", "Value": "MQ==", "Index": 0}}
    async with consul_at(acl_agent.address, token=MASTER) as consul:
        assert (await consul.api.txn.put([put]))["Results"][0]["KV"]["Key"] == "acl/txn"
        with pytest.raises(RequestRefusedError) as caught:
            await consul.request("PUT", "txn", body=[put])
        assert caught.value.reply.json["Errors"][0]["OpIndex"] == 0
    async with consul_at(acl_agent.address) as anonymous:
        with pytest.raises((PermissionDeniedError, RequestRefusedError), match="Permission denied"):
            await anonymous.api.txn.put([put])


@on_reactor
async def test_a_token_of_a_call_comes_before_ours(acl_agent: ConsulServer) -> None:
    """And none of them is in a URL."""
    async with consul_at(acl_agent.address, token="00000000-0000-0000-0000-00000000dead") as consul:
        with pytest.raises(PermissionDeniedError):
            await consul.api.kv.put("acl/own", "1")
        assert await consul.api.kv.put("acl/own", "1", token=MASTER) is True
