"""The audit log of the admin interface: every change is logged."""

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
async def test_a_change_is_logged_before_and_after_it_is_made(tmp_path: Path) -> None:
    """One line with the arguments before the change, one with the values before and after it."""
    async with running(unix(tmp_path), tmp_path) as admin:
        await admin.call("service_percent", seconds=60, **SHARES)
        common = {"actor": f"uid:{os.geteuid()}", "origin": "unix", "target": "api.shop.test", "tenant": "t-shop"}
        asked = {"name": "api.shop.test", "percent": {"canary": "50"}, "seconds": 60, "local": False}
        assert admin.audit.lines == [
            common | {"action": "service.percent:asked", "before": None, "after": asked},
            common | {"action": "service.percent:done", "before": {"canary": "10"}, "after": {"canary": "50"}},
        ]


@on_reactor
async def test_a_refused_change_is_logged_with_the_error(tmp_path: Path) -> None:
    """The second line has the error, but "internal failure" for an unexpected one."""
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
async def test_a_pushed_policy_is_logged_with_its_revision(tmp_path: Path) -> None:
    """The lines have the revision and not the text; a text that cannot be parsed has none, and is refused."""
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
async def test_operations_that_change_nothing_are_not_logged(tmp_path: Path) -> None:
    """The audit log has no line after them."""
    async with running(unix(tmp_path), tmp_path) as admin:
        await admin.call("status")
        assert admin.audit.lines == []


@on_reactor
async def test_changes_are_refused_while_the_disk_is_full(tmp_path: Path) -> None:
    """The refusal has the reason; operations that change nothing still work."""
    async with running(unix(tmp_path), tmp_path, audit=MemoryAudit(full=True)) as admin:
        assert await admin.refusal("service_percent", **SHARES) == (
            "nothing was changed: the audit log cannot be written (No space left on device)"
        )
        assert admin.control.percent["api.shop.test"] == {"canary": "10"}
        assert await admin.call("status")


@on_reactor
async def test_a_change_stands_if_only_its_outcome_cannot_be_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply has a warning."""
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
async def test_lines_are_written_in_another_thread(tmp_path: Path) -> None:
    """The reactor does not wait for the disk."""
    threads = []

    class Noting(MemoryAudit):
        def write(self, *line: Any) -> None:
            threads.append(threading.current_thread())

    async with running(unix(tmp_path), tmp_path, audit=Noting()) as admin:
        await admin.call("reload")
    assert len(threads) == 2
    assert threading.main_thread() not in threads
