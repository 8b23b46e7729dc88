"""The table of operations, and what is made from it."""

from __future__ import annotations

import click
import pytest

from graydns.ctl.commands import COMMANDS
from graydns.operations import OPERATIONS
from graydns.operations.operation import Operation, TenantScope
from tools.operations_reference import PAGE, update_page


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
