"""Coroutines as tests: on the reactor, or without one if they wait for nothing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import pytest
import pytest_twisted

T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., object])


def on_reactor(test: Test) -> Test:
    """Run a test that is a coroutine on the reactor, where it opens sockets: it is an integration test."""
    return cast(Test, pytest.mark.integration(pytest_twisted.ensureDeferred(test)))


def finished(running: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        running.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits for something")
