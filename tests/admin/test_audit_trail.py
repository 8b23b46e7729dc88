"""Every change leaves its trail."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.admin.memory import MemoryAudit
from tests.admin.running import running, unix
from tests.coroutines import on_reactor

SHARES: dict[str, Any] = {"name": "API.shop.test.", "percent": {"canary": "50"}}


@on_reactor
async def test_a_change_leaves_who_where_what_before_and_after(tmp_path: Path) -> None:
    """One line before the change, with what was asked, and one after it, with what came of it."""
    async with running(unix(tmp_path), tmp_path) as admin:
        await admin.call("service_percent", seconds=60, **SHARES)
        common = {"actor": f"uid:{os.geteuid()}", "origin": "unix", "target": "api.shop.test", "tenant": "t-shop"}
        asked = {"name": "api.shop.test", "percent": {"canary": "50"}, "seconds": 60, "local": False}
        assert admin.audit.lines == [
            common | {"action": "service.percent:asked", "before": None, "after": asked},
            common | {"action": "service.percent:done", "before": {"canary": "10"}, "after": {"canary": "50"}},
        ]


@on_reactor
async def test_a_change_that_is_refused_leaves_that(tmp_path: Path) -> None:
    """The second line says why; an error of the server's own is not spelled out."""
    async with running(unix(tmp_path), tmp_path) as admin:
        await admin.refusal("rollback", number=3)
        await admin.refusal("reload_prune", zone="odd")
        assert [(line["action"], line["target"], line["after"]) for line in admin.audit.lines] == [
            ("history.rollback:asked", "3", {"number": 3}),
            ("history.rollback:refused", "3", {"error": "no snapshot 3"}),
            ("reload.prune:asked", "odd", {"zone": "odd"}),
            ("reload.prune:refused", "odd", {"error": "internal failure"}),
        ]


@on_reactor
async def test_a_policy_is_called_by_its_name(tmp_path: Path) -> None:
    """Not by the parts in which it came; one that cannot be read has none, and is refused."""
    async with running(unix(tmp_path), tmp_path) as admin:
        await admin.call("policy_push", parts=["{", "}"])
        await admin.refusal("policy_push", parts=["{"], base=7)
        assert [(line["action"], line["target"], line["after"]) for line in admin.audit.lines] == [
            ("policy.push:asked", "8", {"revision": 8, "activate": True, "base": None}),
            ("policy.push:done", "8", {"revision": 8}),
            ("policy.push:asked", "", {"activate": True, "base": 7}),
            ("policy.push:refused", "", {"error": "no JSON"}),
        ]


@on_reactor
async def test_looking_leaves_nothing(tmp_path: Path) -> None:
    """What changes nothing is not written down."""
    async with running(unix(tmp_path), tmp_path) as admin:
        await admin.call("status")
        assert admin.audit.lines == []


@on_reactor
async def test_with_a_full_disk_nothing_is_changed(tmp_path: Path) -> None:
    """Looking goes on; a change is refused with the reason."""
    async with running(unix(tmp_path), tmp_path, audit=MemoryAudit(full=True)) as admin:
        assert await admin.refusal("service_percent", **SHARES) == (
            "nothing was changed: the audit log cannot be written (No space left on device)"
        )
        assert admin.control.percent["api.shop.test"] == {"canary": "10"}
        assert await admin.call("status")


@on_reactor
async def test_a_disk_that_fills_up_between_the_lines_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change is made, because its first line is there, and the reply says that the second is not."""
    async with running(unix(tmp_path), tmp_path) as admin:
        change = admin.control.service_percent

        async def and_fill(*arguments: Any, **named: Any) -> Any:
            admin.audit.full = True
            return await change(*arguments, **named)

        monkeypatch.setattr(type(admin.control), "service_percent", lambda _, *a, **k: and_fill(*a, **k))
        done = await admin.call("service_percent", **SHARES)
        assert done["after"] == {"canary": "50"}
        assert "could not be written" in done["warning"]


@on_reactor
async def test_writing_is_not_on_the_reactors_thread(tmp_path: Path) -> None:
    """Writing waits for a disk, and the reactor for nothing."""
    threads = []

    class Noting(MemoryAudit):
        def write(self, *line: Any) -> None:
            threads.append(threading.current_thread())

    async with running(unix(tmp_path), tmp_path, audit=Noting()) as admin:
        await admin.call("reload")
    assert len(threads) == 2
    assert threading.main_thread() not in threads
