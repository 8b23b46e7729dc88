"""Opening: a ControlPlane for a server that has its first Snapshot and has not opened its doors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.internet.threads import deferToThread

from graydns.config.issues import ValidationIssue
from graydns.control.admission import resolve_effective_config
from graydns.control.collaborators import ControlObservers
from graydns.control.control_plane import ControlPlane
from graydns.control.history import SnapshotHistory, SnapshotRecord
from graydns.control.live_changes import LiveChanges, RollbackPin
from graydns.control.live_commands import LiveChangeCommands
from graydns.control.reading_diff import diff_readings
from graydns.control.snapshot_reloader import SnapshotReloader
from graydns.control.state import ControlState, ShareCounters
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.runtime.steps import run_steps
from graydns.server import DnsServer
from graydns.snapshot.compiler import compile_snapshot
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.file_reloader import DeferToThread, FileReloader
from graydns.sources.reading import Reading
from graydns.sources.reading_checks import to_config_issues
from graydns.sources.snapshot_loader import run_read_job

HISTORY_FOLDER = "history"


def open_control(
    server: DnsServer,
    reading: Reading,
    reactor: Any,
    *,
    wall: Callable[[], float] = time.time,
    in_thread: DeferToThread = deferToThread,
    observers: ControlObservers | None = None,
    shares: ShareCounters | None = None,
) -> ControlPlane:
    """A ControlPlane over *server*, which serves *reading*.

    What operators changed before the last stop is in force again when this returns, a rollback included. Raises
    ConfigError if the data folder cannot be used or does not make sense.
    """
    state = ControlState(server, reading, wall, shares)
    history = SnapshotHistory(state.startup_config.data / HISTORY_FOLDER)
    try:
        kept = state.store.load_live_changes().unexpired_at(wall())
        history.open()
        if kept.pin is None:
            _number_first_snapshot(state, history)
        else:
            state.served_reading = _read_pinned(state, history, kept.pin)
            state.file_snapshot = _compile_pinned(state, kept.pin.number, state.served_reading)
    except OSError as error:
        found = f"{state.startup_config.data} ({error.strerror or error})"
        misfit = ValidationIssue(("data",), found, "a folder that graydns may write to")
        raise ConfigError(to_config_issues(reading.config.document, (misfit,))) from None
    if kept != LiveChanges() or kept.pin is not None:
        state.apply_snapshot(state.file_snapshot, kept)
    again = FileReloader(reactor, in_thread)
    reloader = SnapshotReloader(state, again, history)
    reloader.remember_reading(reading)
    return ControlPlane(state, reactor, reloader, LiveChangeCommands(state, in_thread), observers or ControlObservers())


def _number_first_snapshot(state: ControlState, history: SnapshotHistory) -> None:
    """Give what is served its number: that of the last snapshot, if it is the same, else a new one."""
    number = history.find_number(state.served_reading)
    if number is None:
        number = history.next_number()
        record = SnapshotRecord(number, state.wall(), "start", "", run_steps(diff_readings(None, state.served_reading)))
        history.add(record, state.served_reading)
    state.served_reading = evolve(state.served_reading, blobs={})
    state.apply_snapshot(evolve(state.file_snapshot, number=number), state.live)


def _read_pinned(state: ControlState, history: SnapshotHistory, pin: RollbackPin) -> Reading:
    """What snapshot *pin* was made of. Raises ConfigError."""
    try:
        read = run_read_job(history.read_job(pin.number, state.served_reading.config.file))
    except (OSError, LookupError, ValueError, ConfigError) as error:
        expected = "a snapshot in the history, or no 'pin', with which the files are served"
        fault = ConfigIssue(("pin", "number"), f"{pin.number} ({error})", expected, str(state.store.main_file))
        raise ConfigError([fault]) from None
    served = state.served_reading
    return evolve(read, fingerprints={}, blobs={}, geo=served.geo, resolv_conf=served.resolv_conf)


def _compile_pinned(state: ControlState, number: int, reading: Reading) -> Snapshot:
    config, state.restart_keys = resolve_effective_config(state.startup_config, reading.config)
    return run_steps(compile_snapshot(number, reading.to_snapshot_inputs(config), state.base_snapshot))
