"""FakeControlPlane: stands for the control plane in tests of what calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from graydns.operations import OPERATIONS
from graydns.operations.operation import Operation


@define(slots=False)
class FakeControlPlane:
    """Has a method for each of *operations*, which records its call and returns an example of the reply.

    A method takes what the operation declares, by name, or raises TypeError. A subclass defines the operations that are
    to return something else. *calls*: name and arguments of each recorded call.
    """

    operations: Mapping[str, Operation] = field(default=OPERATIONS, repr=False, kw_only=True)
    calls: list[tuple[str, dict[str, Any]]] = field(factory=list, init=False)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation: Operation | None = self.__dict__.get("operations", {}).get(name)
        if operation is None:
            raise AttributeError(name)

        def call(**arguments: Any) -> Any:
            if missing := set(operation.caller) - set(arguments):
                raise TypeError(f"{name} is called without {', '.join(sorted(missing))}")
            arguments = {key: value for key, value in arguments.items() if key not in operation.caller}
            operation.signature.bind(**arguments)
            self.calls.append((name, arguments))
            return operation.reply.example()

        return call
