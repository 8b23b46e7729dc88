"""The garbage collector in a server whose heap is large and long-lived.

CPython's collector stops everything while it walks a generation. The young generations are small. The oldest holds
what is kept, maybe a million cached answers, and to walk it takes seconds; yet never to walk it would keep every
reference cycle that gets there. So it is collected while it is small, after every collection of the middle generation,
and what survives is frozen: it leaves the generations and is never walked again.

The price: a cycle that is frozen while it is in use is never freed. Nothing on the path of a query leaves a cycle
(tests/test_reference_cycles.py); this is the net for what those tests do not know, libraries included.

Most cycles come from errors: a traceback refers to frames, and where an error went through a Deferred one of them
refers to the error. So the code that ends an error on the path of a query drops its traceback.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from twisted.python.failure import Failure

from graydns.runtime.timing import Clock, DelayedCall

#: A collection of the youngest generation for so many new objects, one of the middle for so many of the youngest. The
#: interpreter never collects the oldest by itself.
THRESHOLDS = (2_000, 4, 1_000_000)

_MIDDLE = 1


@define(eq=False)
class OldestGenerationCollector:
    """Collects the oldest generation, and freezes what survives, in the turn of the reactor after each collection of
    the middle one."""

    clock: Clock = field(repr=False)
    _due: DelayedCall | None = field(init=False, default=None, repr=False)

    def start(self) -> None:
        """Freeze what is there and take over from the interpreter."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(self._on_collection)

    def stop(self) -> None:
        """End it, if it was started; the thresholds stay."""
        if self._on_collection in gc.callbacks:
            gc.callbacks.remove(self._on_collection)
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _on_collection(self, phase: str, info: Mapping[str, Any]) -> None:
        # The collector does not run within its own callbacks, so not at once.
        if phase == "stop" and info["generation"] == _MIDDLE and self._due is None:
            self._due = self.clock.callLater(0, self._collect)

    def _collect(self) -> None:
        self._due = None
        gc.collect()
        gc.freeze()


def drop_tracebacks(error: BaseException | Failure) -> None:
    """Drop the tracebacks of *error* and of the errors that it was raised from.

    To be called where an error on the path of a query ends, and where an expected one is handed to others.
    """
    link: BaseException | None
    if isinstance(error, Failure):
        error.tb = None
        link = error.value
    else:
        link = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
