"""The table of operations, what is made from it, and a new operation declared outside of graydns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from attrs import define
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from twisted.internet import reactor

from graydns.admin.audit_trail import AuditTrail
from graydns.admin.authentication import AdminIdentity
from graydns.admin.paging import TextUpload
from graydns.admin.pb_security import AdminRefusedError
from graydns.admin.perspective import OperationDispatcher
from graydns.ctl.cli_context import CliContext
from graydns.ctl.main import COMMANDS
from graydns.ctl.operation_commands import make_commands
from graydns.model.users import VIEWER
from graydns.operations import OPERATIONS
from graydns.operations.operation import Argument, Operation, Reply, TenantScope
from graydns.operations.testing import FakeControlPlane
from tests.admin.memory import MemoryAudit
from tests.admin.running import running, unix
from tests.coroutines import on_reactor
from tools.operations_reference import PAGE, update_page

NAMES_BUSIEST = Operation(
    "names_busiest",
    VIEWER,
    TenantScope.SERVER,
    "List the names with the most queries.",
    Reply("name queries", {"queries": "per second"}, is_list=True, order="busiest first", columns="queries name"),
    (Argument("last", int, 10, "How many names.", "--last", bounds=(1, 1000)),),
    command="names busiest",
)
MORE_OPERATIONS = {**OPERATIONS, NAMES_BUSIEST.name: NAMES_BUSIEST}
ROWS = [{"name": "www.a.test", "queries": 3.5}, {"name": "b.test", "queries": 0.5}]


@define(slots=False)
class BusyControlPlane(FakeControlPlane):
    """A control plane that has the new operation."""

    def names_busiest(self, last: int) -> list[dict[str, Any]]:
        return ROWS[:last]


@define
class FakeClient:
    """A connection of graydnsctl to *control* without a server in between."""

    control: BusyControlPlane

    def call(self, command: str, arguments: dict[str, Any]) -> Any:
        return getattr(self.control, command)(**arguments)

    def close(self) -> None:
        """Do nothing."""


def new_group() -> click.Group:
    """Graydnsctl with the new operation, and without the hand-written commands."""
    return click.Group(commands=dict(make_commands(MORE_OPERATIONS.values())))


@on_reactor
async def test_a_new_operation_is_called_over_the_wire(tmp_path: Path) -> None:
    """With the default of its argument and without; a wrong argument is refused."""
    control = BusyControlPlane(operations=MORE_OPERATIONS)
    async with running(unix(tmp_path), tmp_path, control=control, operations=MORE_OPERATIONS) as admin:
        assert await admin.call("names_busiest") == ROWS
        assert await admin.call("names_busiest", last=1) == ROWS[:1]
        assert await admin.refusal("names_busiest", last="x") == "wrong argument last"
        assert "unexpected keyword argument 'first'" in await admin.refusal("names_busiest", first=1)
        assert await admin.refusal("names_idlest") == "no such command: names_idlest"


@on_reactor
async def test_a_new_operation_on_the_whole_server_is_refused_to_users_of_one_tenant() -> None:
    """As its scope says; the control plane is not called."""
    control = BusyControlPlane(operations=MORE_OPERATIONS)
    dispatcher = OperationDispatcher(control, AuditTrail(MemoryAudit(), reactor), MORE_OPERATIONS)
    alice = AdminIdentity("user:alice", VIEWER, "t-shop")
    with pytest.raises(AdminRefusedError, match="that concerns all tenants; user:alice is of the tenant t-shop"):
        await dispatcher.run(alice, TextUpload(), "names_busiest", (), {})


def test_a_new_operation_has_a_command_with_help_and_completion() -> None:
    """Its options are checked, and its reply is printed as a table with the declared columns first."""
    group = new_group()
    context = CliContext(session=FakeClient(BusyControlPlane(operations=MORE_OPERATIONS)))
    ran = CliRunner().invoke(group, ["names", "busiest", "--last", "1"], obj=context)
    assert [line.split() for line in ran.output.splitlines()] == [["queries", "name"], ["3.5", "www.a.test"]]
    shown = CliRunner().invoke(group, ["names", "busiest", "--help"]).output
    assert "List the names with the most queries." in shown
    assert "How many names.  [default: 10; 1<=x<=1000]" in " ".join(shown.replace("\n", " ").split("   "))
    assert CliRunner().invoke(group, ["names", "busiest", "--last", "0"], obj=context).exit_code == 2
    complete = ShellComplete(group, {}, "", "")
    assert [item.value for item in complete.get_completions([], "na")] == ["names"]
    assert [item.value for item in complete.get_completions(["names"], "")] == ["busiest"]
    assert "--last" in [item.value for item in complete.get_completions(["names", "busiest"], "--")]


def test_a_new_operation_is_in_the_documentation() -> None:
    """Both tables get a row."""
    page = update_page(PAGE.read_text(), MORE_OPERATIONS.values())
    assert (
        "| `names busiest` | `viewer` | no | List the names with the most queries. "
        "`--last INTEGER`: How many names (default 10). |" in page
    )
    assert "| `names busiest` | list, busiest first: `name`, `queries` (per second) |" in page


def test_the_test_double_has_the_new_operation() -> None:
    """It gives an example of the reply, records the call, and takes no other arguments than those declared."""
    control: Any = FakeControlPlane(operations=MORE_OPERATIONS)
    assert control.names_busiest(last=3) == [{"name": None, "queries": None}]
    assert control.calls == [("names_busiest", {"last": 3})]
    with pytest.raises(TypeError):
        control.names_busiest(first=3)
    with pytest.raises(AttributeError):
        control.names_idlest()


def test_the_test_double_wants_the_caller() -> None:
    """An operation that gets the actor cannot be called without."""
    control: Any = FakeControlPlane()
    assert control.nta_remove(name="a.test", actor="uid:0") == {"before": None, "after": None, "name": None}
    with pytest.raises(TypeError):
        control.nta_remove(name="a.test")


def test_the_documentation_has_the_tables() -> None:
    """docs/admin.md is what ``make docs`` would write."""
    assert update_page(PAGE.read_text()) == PAGE.read_text()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_is_consistent(operation: Operation) -> None:
    """Its command exists, the checks find the arguments that they need, and what is audited names its target."""
    arguments = {each.name for each in operation.arguments}
    needed = {
        TenantScope.SERVICE: {"name"},
        TenantScope.NAME: {"name"},
        TenantScope.TENANT: {"tenant"},
        TenantScope.TENANT_AND_ZONE: {"name", "tenant"},
    }
    assert needed.get(operation.scope, set()) <= arguments
    assert operation.target == "" or (operation.action and operation.target in arguments)
    assert set(operation.caller) <= {"actor", "tenant"}
    reply = operation.reply
    assert {*reply.meanings, *reply.parts, *reply.columns, *reply.tenant_keys} <= set(reply.keys)
    if operation.command:
        command = COMMANDS[operation.words[0]]
        for word in operation.words[1:]:
            assert isinstance(command, click.Group)
            command = command.commands[word]
        assert not isinstance(command, click.Group)
