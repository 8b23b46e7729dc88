"""The values that may cross a connection."""

from __future__ import annotations

import datetime
import decimal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.spread import pb

from tests.admin.memory import MemoryControl
from tests.admin.running import running, unix
from tests.coroutines import on_reactor


class Thing(pb.Copyable):
    """Something that PB would copy."""


class Spy(pb.Referenceable):
    """Something that PB would let the server call back."""


SHARED = ["twice"]


@pytest.mark.parametrize(
    "value",
    [
        Thing(),
        Spy(),
        datetime.date(2026, 11, 22),
        decimal.Decimal(1),
        {1, 2},
        [SHARED, SHARED],
    ],
    ids=["object", "referenceable", "date", "decimal", "set", "shared-list"],
)
@on_reactor
async def test_only_plain_values_are_accepted(value: Any, tmp_path: Path) -> None:
    """Refused are the other values of PB's client: copies, references, dates, sets, values used twice."""
    async with running(unix(tmp_path), tmp_path) as admin:
        avatar = await admin.avatar()
        with pytest.raises(Exception, match="only plain values may be sent"):
            await avatar.callRemote("why", client=value)
        assert await avatar.callRemote("whoami")
        avatar.broker.transport.loseConnection()


@pytest.mark.parametrize(
    "crafted",
    [
        [b"module", b"os"],
        [b"class", b"subprocess.Popen"],
        [b"function", b"os.system"],
        [b"method", b"run", [b"None"], [b"class", b"subprocess.Popen"]],
        [b"instance", [b"class", b"subprocess.Popen"], [b"dictionary"]],
        [b"subprocess.Popen", [b"dictionary"]],
        [b"twisted.spread.pb.CopyableFailure", [b"dictionary"]],
        [b"persistent", 1],
        [b"reference", 1, [b"list", [b"dereference", 1]]],
        [b"remote", 1],
        [b"local", 1],
        [b"unpersistable", b"x"],
        [b"boolean", b"maybe"],
        [b"unicode", b"\xff"],
        [b"unicode"],
        [1, 2],
        [],
    ],
    ids=str,
)
@on_reactor
async def test_crafted_values_are_refused(crafted: list[Any], tmp_path: Path) -> None:
    """Values that no client of PB would send."""
    async with running(unix(tmp_path), tmp_path) as admin:
        avatar = await admin.avatar()
        broker, number = avatar.broker, avatar.broker.newRequestID()
        answer: Deferred[None] = Deferred()
        broker.waitingForAnswers[number] = answer
        named = [b"dictionary", [[b"unicode", b"client"], crafted]]
        broker.sendCall(b"message", number, avatar.luid, b"why", 1, [b"tuple"], named)
        with pytest.raises(Exception, match="only plain values may be sent"):
            await answer
        broker.transport.loseConnection()


@on_reactor
async def test_only_login_can_be_called_before_the_login(tmp_path: Path) -> None:
    """Once, and PB's own login cannot."""
    async with running(unix(tmp_path), tmp_path) as admin:
        root = await admin.root()
        for command in ("whoami", "loginAnonymous", "respond", "__init__"):
            with pytest.raises(Exception, match="log in first"):
                await root.callRemote(command)
        with pytest.raises(Exception, match="wrong argument"):
            await root.callRemote("login", name=["alice"])
        await root.callRemote("login")
        with pytest.raises(Exception, match="logged in already"):
            await root.callRemote("login")
        root.broker.transport.loseConnection()


@pytest.mark.parametrize("command", ["no_such", "__init__", "perspective_status", "_run", "_dispatcher", "more"])
@on_reactor
async def test_only_operations_can_be_called(command: str, tmp_path: Path) -> None:
    """No other attribute of a perspective can."""
    async with running(unix(tmp_path), tmp_path) as admin:
        assert await admin.refusal(command) in (
            f"no such command: {command}",
            "wrong arguments: missing a required argument: 'cursor'",
        )


@on_reactor
async def test_wrong_arguments_are_refused_with_their_names(tmp_path: Path) -> None:
    """Before anything is done."""
    async with running(unix(tmp_path), tmp_path) as admin:
        asked: dict[str, Any] = {"name": "api.shop.test", "percent": {"canary": 50}}
        assert await admin.refusal("service_percent", **asked) == "wrong argument percent"
        assert (await admin.refusal("status", too="much")).startswith("wrong arguments")
        assert admin.audit.lines == []


@on_reactor
async def test_unexpected_errors_are_sent_without_their_text(tmp_path: Path) -> None:
    """A refusal of the control plane is sent with its text."""
    async with running(unix(tmp_path), tmp_path) as admin:
        assert await admin.refusal("reload_prune", zone="odd") == "internal failure"
        assert await admin.refusal("reload_prune", zone="a.test") == "the zone a.test has not vanished"


@on_reactor
async def test_large_replies_arrive_complete(tmp_path: Path) -> None:
    """An explanation with 20,000 rules, more than PB's 640 KiB, arrives, and others are served meanwhile."""
    async with running(unix(tmp_path), tmp_path, control=MemoryControl(rules=20_000)) as admin:
        explained = await admin.call("explain", name="api.shop.test", rdtype="A", tags={"k": "v"})
        assert len(explained["rules"]) == 20_000
        assert len(repr(explained["rules"])) > 1 << 20
        assert explained["rules"][19_999]["rule"] == "rule-19999"
        assert explained["tags"] == {"k": "v"}


@pytest.mark.integration
def test_the_server_does_not_load_the_modules_of_graydnsctl() -> None:
    """Those for tables and prompts."""
    code = "import sys, graydns.admin.admin_service; print({'rich', 'prompt_toolkit', 'click'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
