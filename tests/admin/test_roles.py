"""Roles, and what users of one tenant see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graydns.ctl.admin_endpoint import AdminClientError, AdminLogin
from graydns.model.users import ADMIN, OPERATOR, ROLES, VIEWER
from graydns.operations import OPERATIONS
from graydns.operations.operation import TenantScope
from tests.admin.running import PASSWORD, Running, quick_user, running, write
from tests.admin.test_tls import tls_address
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
async def test_operations_are_refused_to_lower_roles(tmp_path: Path) -> None:
    """Over the wire: the role has to be the least role or above, and the refusal names it."""
    write(tmp_path, **{role: quick_user(role) for role in ROLES})
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        for role in ROLES:
            client = admin.client(AdminLogin(role, PASSWORD, ca))
            for name, (least, arguments, _) in COMMANDS.items():
                outcome = await outcome_of(client, name, arguments)
                if ROLES.index(role) < ROLES.index(least):
                    assert outcome == f"that needs the role {least}; user:{role} is {role}"
                else:
                    assert outcome in (None, "the zone gone.test has not vanished")
            client.close()


@pytest.mark.parametrize("role", [VIEWER, OPERATOR])
@on_reactor
async def test_users_of_one_tenant_get_only_what_is_theirs(role: str, tmp_path: Path) -> None:
    """Operations on the whole server are refused; other replies have nothing of another tenant."""
    write(tmp_path, alice=quick_user(role, "t-shop"))
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        client = admin.client(AdminLogin("alice", PASSWORD, ca))
        for name, (least, arguments, scoped) in COMMANDS.items():
            outcome = await outcome_of(client, name, arguments, hidden="farm")
            if ROLES.index(role) < ROLES.index(least):
                assert outcome is not None
                assert "that needs the role" in outcome
            elif scoped:
                assert outcome is None, name
            else:
                assert outcome == "that concerns all tenants; user:alice is of the tenant t-shop"
        client.close()


@on_reactor
async def test_names_of_other_tenants_are_answered_like_unknown_names(tmp_path: Path) -> None:
    """A service of another tenant and an unknown one get the same text."""
    write(tmp_path, alice=quick_user(OPERATOR, "t-shop"))
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        alice = AdminLogin("alice", PASSWORD, ca)
        for name in ("web.farm.test", "nothing.test"):
            assert await admin.refusal("service_show", alice, name=name) == f"no service {name}"
            asked = {"name": name, "percent": {"canary": "50"}}
            assert await admin.refusal("service_percent", alice, **asked) == f"no service {name}"
            assert await admin.refusal("trace", alice, name=name) == f"{name} is in no zone of the tenant t-shop"
        assert await admin.refusal("gray_off", alice, tenant="t-farm") == "no tenant t-farm"
        assert await admin.refusal("zones", alice, tenant="t-farm") == "no tenant t-farm"
        assert admin.control.percent["web.farm.test"] == {"canary": "10"}
        await unchanged(admin)


SPELLINGS = (
    "web.FARM.test.",
    r"web.f\097rm.test",
    r"\119eb.farm.test",
    "web\u3002farm\uff0etest",
    "web.\uff46arm.test",
)


@on_reactor
async def test_no_spelling_of_a_name_leads_to_another_tenant(tmp_path: Path) -> None:
    """Names are compared in wire form by each operation that takes one; the replies have one spelling of them."""
    write(tmp_path, alice=quick_user(OPERATOR, "t-shop"), bob=quick_user(OPERATOR, "t-farm"))
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        alice, bob = AdminLogin("alice", PASSWORD, ca), AdminLogin("bob", PASSWORD, ca)
        for name in SPELLINGS:
            elsewhere = "web.farm.test is in no zone of the tenant t-shop"
            for operation, more in (("trace", {}), ("trace_watch", {"on": True})):
                assert await admin.refusal(operation, alice, name=name, **more) == elsewhere
                assert await admin.call(operation, bob, name=name, **more) is not None
            for operation in ("explain", "dnssec_explain"):
                assert await admin.refusal(operation, alice, name=name, rdtype="A") == elsewhere
            assert await admin.refusal("service_show", alice, name=name) == "no service web.farm.test"
            assert (await admin.call("service_show", bob, name=name))["name"] == "web.farm.test"
        for operation in ("service_show", "trace"):
            assert "not a domain name: 'web..test'" in await admin.refusal(operation, alice, name="web..test")


@on_reactor
async def test_changes_of_a_tenants_operator_apply_to_the_tenant(tmp_path: Path) -> None:
    """Without an argument, `gray off` and `cache flush` mean the own tenant."""
    write(tmp_path, alice=quick_user(OPERATOR, "t-shop"))
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        alice = AdminLogin("alice", PASSWORD, ca)
        assert (await admin.call("gray_off", alice))["after"] == ["t-shop"]
        assert (await admin.call("status", alice))["gray_off"] == ["t-shop"]
        await admin.call("cache_flush", alice, name="x.test")
        assert admin.control.calls == [("cache_flush", {"name": "x.test", "cohort": None, "tenant": "t-shop"})]
        assert {line["tenant"] for line in admin.audit.lines} == {"t-shop"}


@on_reactor
async def test_users_of_one_tenant_do_not_see_all_traced_names(tmp_path: Path) -> None:
    """Other users do."""
    write(tmp_path, alice=quick_user(OPERATOR, "t-shop"), oscar=quick_user(OPERATOR))
    address, tls, ca = tls_address(tmp_path)
    async with running(address, tmp_path, tls=tls) as admin:
        asked = SHOP | {"on": True}
        assert "web.farm.test" in (await admin.call("trace_watch", AdminLogin("oscar", PASSWORD, ca), **asked))["names"]
        assert "farm" not in str(await admin.call("trace_watch", AdminLogin("alice", PASSWORD, ca), **asked))


async def outcome_of(client: Any, name: str, arguments: dict[str, Any], hidden: str = "\0") -> str | None:
    """The text of the refusal, None if there is none; the reply must not contain *hidden*."""
    try:
        given = await client.call(name, arguments)
    except AdminClientError as error:
        return str(error)
    assert hidden not in repr(given)
    return None


async def unchanged(admin: Running) -> None:
    """Check that nothing was changed or logged."""
    assert admin.control.off == []
    assert admin.audit.lines == []
