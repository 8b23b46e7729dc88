"""The control plane has what the admin interface calls."""

from __future__ import annotations

import inspect

import pytest

from graydns.admin.perspective import HANDLERS, PREPARERS
from graydns.control.control_plane import ControlPlane
from graydns.operations import OPERATIONS
from graydns.operations.operation import Operation


@pytest.mark.parametrize(
    "operation",
    [each for each in OPERATIONS.values() if each.name not in HANDLERS and each.name not in PREPARERS],
    ids=lambda operation: operation.name,
)
def test_the_control_plane_has_a_method_for_each_operation(operation: Operation) -> None:
    """The method takes the arguments of the operation and what it is told of the caller, with the same defaults."""
    parameters = dict(inspect.signature(getattr(ControlPlane, operation.name)).parameters)
    del parameters["self"]
    wanted = operation.signature.parameters
    passed = {*wanted, *operation.caller}
    assert passed <= set(parameters)
    assert all(
        name in passed or parameter.default is not inspect.Parameter.empty for name, parameter in parameters.items()
    )
    for name, parameter in wanted.items():
        if parameter.default is not inspect.Parameter.empty:
            assert parameters[name].default in (parameter.default, inspect.Parameter.empty)
