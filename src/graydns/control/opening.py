"""Opening: a Control for a server that has its first Snapshot and has not opened its doors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.internet.threads import deferToThread

from graydns.config.misfit import Misfit
from graydns.control.changes import changes
from graydns.control.changing import Changing
from graydns.control.control import Control
from graydns.control.history import History, Record
from graydns.control.live import Live, Pin
from graydns.control.parts import Observers
from graydns.control.reloader import Reloader
from graydns.control.restart import in_effect
from graydns.control.state import Shares, State
from graydns.model.errors import ConfigError, Fault
from graydns.server import Server
from graydns.snapshot.compile import compile_steps
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.again import Again, InThread
from graydns.sources.checks import placed
from graydns.sources.files import examined
from graydns.sources.reading import Reading
from graydns.steps import run

FOLDER = "history"


def open_control(
    server: Server,
    reading: Reading,
    reactor: Any,
    *,
    wall: Callable[[], float] = time.time,
    in_thread: InThread = deferToThread,
    observers: Observers | None = None,
    shares: Shares | None = None,
) -> Control:
    """A Control over *server*, which serves *reading*.

    What operators changed before the last stop is in force again when this returns, a rollback included. Raises
    ConfigError if the data folder cannot be used or does not make sense.
    """
    state = State(server, reading, wall, shares)
    history = History(state.began.data / FOLDER)
    try:
        kept = state.keeper.load().at(wall())
        history.open()
        if kept.pin is None:
            _begin(state, history)
        else:
            state.served = _pinned(state, history, kept.pin)
            state.plain = _compile(state, kept.pin.number, state.served)
    except OSError as error:
        found = f"{state.began.data} ({error.strerror or error})"
        misfit = Misfit(("data",), found, "a folder that graydns may write to")
        raise ConfigError(placed(reading.config.document, (misfit,))) from None
    if kept != Live() or kept.pin is not None:
        state.lay(state.plain, kept)
    again = Again(reactor, in_thread)
    reloader = Reloader(state, again, history)
    reloader.remember(reading)
    return Control(state, reactor, reloader, Changing(state, in_thread), observers or Observers())


def _begin(state: State, history: History) -> None:
    """Give what is served its number: that of the last snapshot, if it is the same, else a new one."""
    number = history.holds(state.served)
    if number is None:
        number = history.next_number()
        record = Record(number, state.wall(), "start", "", run(changes(None, state.served)))
        history.add(record, state.served)
    state.served = evolve(state.served, blobs={})
    state.lay(evolve(state.plain, number=number), state.live)


def _pinned(state: State, history: History, pin: Pin) -> Reading:
    """What snapshot *pin* was made of. Raises ConfigError."""
    try:
        read = examined(history.job(pin.number, state.served.config.file))
    except (OSError, LookupError, ValueError, ConfigError) as error:
        expected = "a snapshot in the history, or no 'pin', with which the files are served"
        fault = Fault(("pin", "number"), f"{pin.number} ({error})", expected, str(state.keeper.main))
        raise ConfigError([fault]) from None
    served = state.served
    return evolve(read, look={}, blobs={}, geo=served.geo, resolv_conf=served.resolv_conf)


def _compile(state: State, number: int, reading: Reading) -> Snapshot:
    config, state.waiting = in_effect(state.began, reading.config)
    return run(compile_steps(number, reading.inputs(config), state.base))
