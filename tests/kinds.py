"""Unit and integration tests: which test is which, and what a unit test must not do.

A test is an integration test, and has the marker ``integration``, when it is in ``tests/e2e``, runs on the reactor
(``on_reactor``), uses a fixture that starts a program, or its module says so. All others are unit tests. They open no
sockets and start no programs: one that does fails when it has ended.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

E2E = Path(__file__).parent / "e2e"

#: Fixtures that start programs or give addresses for sockets. What uses one of them is an integration test.
INTEGRATION_FIXTURES = frozenset({"require_peer", "free_port", "start_process", "integration"})

#: Audit events of the interpreter that a unit test must not cause.
FORBIDDEN_EVENTS = frozenset(
    {"os.fork", "os.forkpty", "os.posix_spawn", "os.system", "socket.bind", "socket.connect", "subprocess.Popen"}
)

#: Whether a unit test runs, and what it did that is forbidden.
_watching = False
_violations: list[str] = []


def is_integration(item: pytest.Item) -> bool:
    """Whether *item* needs more than the process it runs in."""
    return (
        item.get_closest_marker("integration") is not None
        or item.path.is_relative_to(E2E)
        or not INTEGRATION_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
    )


def classify(items: list[pytest.Item]) -> None:
    """Mark the integration tests, and put the modules that have some first, those of ``tests/e2e`` before the others.

    They take longest. If they came last, one worker would still wait for them when the others have nothing to do.
    """
    ranks: dict[Path, int] = {}
    for item in items:
        rank = 2
        if is_integration(item):
            item.add_marker("integration")
            rank = 0 if item.path.is_relative_to(E2E) else 1
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


@contextmanager
def watched(item: pytest.Item) -> Iterator[None]:
    """Fail *item*, if it is a unit test, when it opens a socket or starts a program inside."""
    global _watching
    if item.get_closest_marker("integration") is not None:
        yield
        return
    _violations.clear()
    _watching = True
    try:
        yield
    finally:
        _watching = False
    if _violations:
        pytest.fail(
            f"a unit test must not cause {', '.join(sorted(set(_violations)))}: mark it integration", pytrace=False
        )


def _audit(event: str, _arguments: Sequence[object]) -> None:
    if event in FORBIDDEN_EVENTS and _watching:
        _violations.append(event)


def install() -> None:
    """Begin to watch; there is no way to end it."""
    sys.addaudithook(_audit)
