"""Which role may call what, and what of it users of one tenant see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graydns.ctl.admin_endpoint import AdminClientError, AdminLogin
from graydns.model.users import ADMIN, OPERATOR, ROLES, VIEWER
from graydns.operations import OPERATIONS
from graydns.operations.operation import TenantScope
from tests.admin.running import PASSWORD, Running, quick_user, running, write
from tests.admin.test_tls import tls_place
from tests.coroutines import on_reactor

SHOP = {"name": "api.shop.test"}
FARM = {"name": "web.farm.test"}

#: Every command: the least role that may call it, arguments that are right, and whether one tenant's users may.
COMMANDS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "whoami": (VIEWER, {}, True),
    "status": (VIEWER, {}, True),
    "config": (VIEWER, {}, False),
    "zones": (VIEWER, {}, True),
    "services": (VIEWER, {}, True),
    "service_show": (VIEWER, SHOP, True),
    "history": (VIEWER, {}, False),
    "explain": (VIEWER, SHOP | {"rdtype": "A"}, True),
    "why": (VIEWER, {"client": "192.0.2.9"}, True),
    "policy_list": (VIEWER, {}, False),
    "policy_show": (VIEWER, {"revision": 7}, False),
    "cache_stats": (VIEWER, {}, False),
    "cache_lookup": (VIEWER, SHOP | {"rdtype": "A"}, False),
    "upstreams": (VIEWER, {}, False),
    "nta_list": (VIEWER, {}, False),
    "dnssec_explain": (VIEWER, {"name": "x.test", "rdtype": "A"}, True),
    "trace": (VIEWER, SHOP, True),
    "audit_tail": (VIEWER, {}, True),
    "audit_verify": (VIEWER, {}, False),
    "reload": (OPERATOR, {}, False),
    "rollback": (OPERATOR, {"number": 6}, False),
    "service_percent": (OPERATOR, SHOP | {"percent": {"canary": "50"}}, True),
    "service_weights": (OPERATOR, SHOP | {"weights": {"canary": 1}}, True),
    "service_whitelist": (OPERATOR, SHOP | {"version": "canary", "add": ["client:x"], "remove": []}, True),
    "service_abort": (OPERATOR, SHOP, True),
    "service_revert": (OPERATOR, SHOP, True),
    "policy_draft": (OPERATOR, SHOP | {"percent": {"canary": "50"}}, False),
    "policy_part": (OPERATOR, {"parts": ["{"], "first": True}, False),
    "policy_push": (OPERATOR, {"parts": ["{", "}"]}, False),
    "policy_activate": (OPERATOR, {"revision": 8}, False),
    "gray_off": (OPERATOR, {}, True),
    "gray_on": (OPERATOR, {}, True),
    "cache_flush": (OPERATOR, {}, True),
    "nta_add": (OPERATOR, {"name": "broken.test", "seconds": 60.0}, False),
    "nta_remove": (OPERATOR, {"name": "broken.test"}, False),
    "trace_watch": (OPERATOR, SHOP | {"on": True}, True),
    "reload_force": (ADMIN, {}, False),
    "reload_prune": (ADMIN, {"zone": "gone.test"}, False),
    "policy_reset": (ADMIN, {"revision": 3}, False),
    "log_level": (ADMIN, {"level": "debug"}, False),
}


def test_the_table_of_operations_has_these_roles_and_scopes() -> None:
    """The table that the server acts on is compared with the one above, so that a role is not changed by accident."""
    assert {name: operation.role for name, operation in OPERATIONS.items()} == {
        name: role for name, (role, _, _) in COMMANDS.items()
    }
    assert {name for name, operation in OPERATIONS.items() if operation.scope is TenantScope.SERVER} == {
        name for name, (_, _, scoped) in COMMANDS.items() if not scoped
    }


@on_reactor
async def test_every_command_for_every_role(tmp_path: Path) -> None:
    """Over the wire: who has the role is served, who has not is told which it takes."""
    write(tmp_path, **{role: quick_user(role) for role in ROLES})
    place, tls, ca = tls_place(tmp_path)
    async with running(place, tmp_path, tls=tls) as admin:
        for role in ROLES:
            link = admin.link(AdminLogin(role, PASSWORD, ca))
            for name, (least, arguments, _) in COMMANDS.items():
                outcome = await outcome_of(link, name, arguments)
                if ROLES.index(role) < ROLES.index(least):
                    assert outcome == f"that needs the role {least}; user:{role} is {role}"
                else:
                    assert outcome in (None, "the zone gone.test has not vanished")
            link.close()


@pytest.mark.parametrize("role", [VIEWER, OPERATOR])
@on_reactor
async def test_every_command_for_users_of_a_tenant(role: str, tmp_path: Path) -> None:
    """What concerns the whole server is refused; in what is given, nothing of another tenant is to be found."""
    write(tmp_path, alice=quick_user(role, "t-shop"))
    place, tls, ca = tls_place(tmp_path)
    async with running(place, tmp_path, tls=tls) as admin:
        link = admin.link(AdminLogin("alice", PASSWORD, ca))
        for name, (least, arguments, scoped) in COMMANDS.items():
            outcome = await outcome_of(link, name, arguments, hidden="farm")
            if ROLES.index(role) < ROLES.index(least):
                assert outcome is not None
                assert "that needs the role" in outcome
            elif scoped:
                assert outcome is None, name
            else:
                assert outcome == "that concerns all tenants; user:alice is of the tenant t-shop"
        link.close()


@on_reactor
async def test_names_of_other_tenants_are_answered_like_names_that_are_not_there(tmp_path: Path) -> None:
    """A service of another tenant, and one of nobody, get the same text."""
    write(tmp_path, alice=quick_user(OPERATOR, "t-shop"))
    place, tls, ca = tls_place(tmp_path)
    async with running(place, tmp_path, tls=tls) as admin:
        alice = AdminLogin("alice", PASSWORD, ca)
        for name in ("web.farm.test", "nothing.test"):
            assert await admin.refusal("service_show", alice, name=name) == f"no service {name}"
            asked = {"name": name, "percent": {"canary": "50"}}
            assert await admin.refusal("service_percent", alice, **asked) == f"no service {name}"
            assert await admin.refusal("trace", alice, name=name) == f"{name} is in no zone of the tenant t-shop"
        assert "no zone of the tenant" in await admin.refusal("explain", alice, name="a.FARM.test.", rdtype="A")
        assert await admin.refusal("gray_off", alice, tenant="t-farm") == "no tenant t-farm"
        assert await admin.refusal("zones", alice, tenant="t-farm") == "no tenant t-farm"
        assert admin.control.percent["web.farm.test"] == {"canary": "10"}
        await unchanged(admin)


@on_reactor
async def test_what_a_tenants_operator_changes_is_the_tenants(tmp_path: Path) -> None:
    """Switching off and flushing without saying whose means one's own."""
    write(tmp_path, alice=quick_user(OPERATOR, "t-shop"))
    place, tls, ca = tls_place(tmp_path)
    async with running(place, tmp_path, tls=tls) as admin:
        alice = AdminLogin("alice", PASSWORD, ca)
        assert (await admin.call("gray_off", alice))["after"] == ["t-shop"]
        assert (await admin.call("status", alice))["gray_off"] == ["t-shop"]
        await admin.call("cache_flush", alice, name="x.test")
        assert admin.control.calls == [("cache_flush", {"name": "x.test", "cohort": None, "tenant": "t-shop"})]
        assert {line["tenant"] for line in admin.audit.lines} == {"t-shop"}


@on_reactor
async def test_what_others_watch_is_not_told(tmp_path: Path) -> None:
    """Whoever begins a trace is told which names are traced, but the users of one tenant are not."""
    write(tmp_path, alice=quick_user(OPERATOR, "t-shop"), oscar=quick_user(OPERATOR))
    place, tls, ca = tls_place(tmp_path)
    async with running(place, tmp_path, tls=tls) as admin:
        asked = SHOP | {"on": True}
        assert "web.farm.test" in (await admin.call("trace_watch", AdminLogin("oscar", PASSWORD, ca), **asked))["names"]
        assert "farm" not in str(await admin.call("trace_watch", AdminLogin("alice", PASSWORD, ca), **asked))


async def outcome_of(link: Any, name: str, arguments: dict[str, Any], hidden: str = "\0") -> str | None:
    """None, or the text of the refusal; *hidden* must not be in what is given."""
    try:
        given = await link.call(name, arguments)
    except AdminClientError as error:
        return str(error)
    assert hidden not in repr(given)
    return None


async def unchanged(admin: Running) -> None:
    """Nothing was done, and of tries to do what is another's there is no line in anybody's log."""
    assert admin.control.off == []
    assert admin.audit.lines == []
