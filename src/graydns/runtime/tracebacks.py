"""Tracebacks of errors that have been handled.

A traceback refers to frames, and where an error went through a Deferred one of them refers to the error: a reference
cycle for each query that fails, and the oldest generation, where it would end up, is seldom collected.
"""

from __future__ import annotations

from twisted.python.failure import Failure


def drop_tracebacks(error: BaseException | Failure) -> None:
    """Drop the tracebacks of *error* and of the errors that it was raised from.

    Called where an error on the path of a query ends, and where an expected one is handed to others.
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
