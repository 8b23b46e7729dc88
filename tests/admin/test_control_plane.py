"""The admin interface with the real control plane and an audit log on the disk."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from graydns.admin.admin_service import AdminService
from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import HmacChain
from graydns.config.address import UnixSocket
from graydns.control.collaborators import ControlObservers
from graydns.control.control_plane import ControlPlane
from graydns.ctl.admin_client import AdminClient
from graydns.ctl.admin_endpoint import AdminClientError, AdminLogin, UnixAdminEndpoint
from graydns.operations import OPERATIONS
from graydns.operations.operation import CHANGE
from tests.admin.running import reactor
from tests.admin.test_roles import COMMANDS
from tests.control.running import Running, Site, run
from tests.coroutines import on_reactor

SERVICE = "api.a.test"


@asynccontextmanager
async def administered(folder: Path) -> AsyncIterator[tuple[Running, AdminClient]]:
    """A server with a zone and a service, and a connection to its admin interface."""
    site = Site(folder)
    site.write_main()
    site.write()
    (folder / "var").mkdir()
    audit = AuditLog(folder / "var/audit.log", HmacChain(bytes(32)), time.time, lambda: AuditLogBounds(1 << 20, 5))
    running = run(site, reactor, audit=audit, observers=ControlObservers(level=lambda level: "info"))
    control: ControlPlane = running.control
    path = folder / "admin.sock"
    service = AdminService(UnixSocket(path), control, audit, reactor, users=folder / "users.json")
    service.startService()
    client = AdminClient(reactor, UnixAdminEndpoint(path), AdminLogin())
    try:
        yield running, client
    finally:
        client.close()
        await service.stopService()
        audit.close()


@on_reactor
async def test_every_operation_replies_with_documented_keys_or_is_refused(tmp_path: Path) -> None:
    """None fails internally; a reply has plain values, and no keys that docs/admin.md does not list."""
    refusals: dict[str, str] = {}
    async with administered(tmp_path) as (_, client):
        for command, (_, arguments, _) in COMMANDS.items():
            if arguments.get("name") == "api.shop.test":
                arguments = arguments | {"name": SERVICE}
            try:
                reply = await client.call(command, arguments)
            except AdminClientError as error:
                refusals[command] = str(error)
                continue
            shape = OPERATIONS[command].reply
            assert isinstance(reply, list) == shape.is_list
            for row in reply if isinstance(reply, list) else [reply]:
                if shape is CHANGE:
                    assert set(shape.keys) <= set(row), command
                elif shape.keys:
                    assert set(row) <= {*shape.keys, "warning"}, command
    assert "internal failure" not in refusals.values(), refusals


@on_reactor
async def test_a_changed_share_is_in_answers_status_and_audit_log(tmp_path: Path) -> None:
    """Also in the answers, as soon as the call returns; reverting restores the share."""
    async with administered(tmp_path) as (running, client):
        assert running.canaries() == 0
        done: Any = await client.call("service_percent", {"name": SERVICE, "percent": {"canary": "100"}})
        assert done["after"]["percent"] == {"canary": "100"}
        assert running.canaries() == 200
        status = await client.call("status", {})
        assert [row["service"] for row in status["drift"]] == [SERVICE]
        await client.call("service_revert", {"name": SERVICE})
        assert running.canaries() == 0
        lines = await client.call("audit_tail", {})
        assert [line["action"] for line in lines] == [
            "service.percent:asked",
            "service.percent:done",
            "service.revert:asked",
            "service.revert:done",
        ]
        assert {line["tenant"] for line in lines} == {"one"}
        assert (await client.call("audit_verify", {}))["ok"]


@on_reactor
async def test_a_refused_reload_names_file_and_line(tmp_path: Path) -> None:
    """The snapshot in use stays."""
    async with administered(tmp_path) as (running, client):
        running.site.write("2", more="nonsense: 1\n")
        with pytest.raises(AdminClientError, match=r"zone-config\.yaml:[0-9]+:[0-9]+: nonsense"):
            await client.call("reload", {})
        assert running.ask("www.a.test") == ["192.0.2.80"]
