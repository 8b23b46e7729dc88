"""Makes the ControlCore of a server that has its first Snapshot and does not listen yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.internet.threads import deferToThread

from graydns.config.issues import ValidationIssue
from graydns.control.admission import resolve_effective_config
from graydns.control.collaborators import ControlAuditLog
from graydns.control.core import ControlCore
from graydns.control.history import SnapshotHistory, SnapshotRecord
from graydns.control.live_changes import LiveChanges, RollbackPin
from graydns.control.live_commands import LiveChangeCommands
from graydns.control.reading_diff import diff_readings
from graydns.control.snapshot_reloader import SnapshotReloader
from graydns.control.state import ControlState, FileStatus, ShareCounters
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.runtime.disk import DeferToThread
from graydns.runtime.steps import run_steps
from graydns.server import DnsServer
from graydns.snapshot.compiler import compile_snapshot
from graydns.sources.file_reloader import FileReloader
from graydns.sources.reading import Reading
from graydns.sources.reading_checks import to_config_issues
from graydns.sources.record_source import RecordSources
from graydns.sources.snapshot_loader import run_read_job

HISTORY_FOLDER = "history"


def open_control(
    server: DnsServer,
    reading: Reading,
    reactor: Any,
    *,
    wall: Callable[[], float] = time.time,
    in_thread: DeferToThread = deferToThread,
    audit: ControlAuditLog | None = None,
    shares: ShareCounters | None = None,
    sources: RecordSources | None = None,
) -> ControlCore:
    """A ControlCore for *server*, which serves *reading*. *wall*: Unix seconds. *sources*: those that *reading* is of.
    Blocks on the disk.

    The live changes that were in force at the last stop, a rollback included, are in force when this returns. Raises
    ConfigError if the data folder cannot be used, or a file in it is not valid.
    """
    state = ControlState(server, reading, wall, shares)
    history = SnapshotHistory(state.startup_config.data / HISTORY_FOLDER)
    try:
        live = state.store.load_live_changes().unexpired_at(wall())
        history.open()
        if live.pin is None:
            _number_first_snapshot(state, history, live)
        else:
            _restore_rollback(state, history, live, live.pin)
    except OSError as error:
        found = f"{state.startup_config.data} ({error.strerror or error})"
        issue = ValidationIssue(("data",), found, "a folder that graydns may write to")
        raise ConfigError(to_config_issues(reading.config.document, (issue,))) from None
    sources = sources or RecordSources()
    reloader = SnapshotReloader(state, FileReloader(reactor, in_thread, sources), history)
    reloader.remember_reading(reading)
    core = ControlCore(state, reactor, reloader, LiveChangeCommands(state, in_thread), audit)
    sources.subscribe(lambda: reactor.callFromThread(core.reload_soon))
    return core


def _number_first_snapshot(state: ControlState, history: SnapshotHistory, live: LiveChanges) -> None:
    """Give the first Snapshot its number: that of the last in *history* if it has the same inputs, else the next."""
    number = history.find_number(state.served_reading)
    if number is None:
        number = history.next_number()
        record = SnapshotRecord(number, state.wall(), "start", "", run_steps(diff_readings(None, state.served_reading)))
        history.add(record, state.served_reading)
    state.adopt_reading(evolve(state.served_reading, blobs={}), FileStatus())
    state.apply_snapshot(evolve(state.file_snapshot, number=number), live)


def _restore_rollback(state: ControlState, history: SnapshotHistory, live: LiveChanges, pin: RollbackPin) -> None:
    """Serve the snapshot that was rolled back to. Raises ConfigError if it cannot be read or compiled."""
    served = state.served_reading
    try:
        read = run_read_job(history.read_job(pin.number, served.config.file), RecordSources())
    except (OSError, LookupError, ValueError, ConfigError) as error:
        expected = "a snapshot in the history, or no 'pin', with which the files are served"
        issue = ConfigIssue(("pin", "number"), f"{pin.number} ({error})", expected, str(state.store.main_file))
        raise ConfigError([issue]) from None
    read = evolve(read, fingerprints={}, blobs={}, geo=served.geo, resolv_conf=served.resolv_conf)
    config, restart_keys = resolve_effective_config(state.startup_config, read.config)
    snapshot = run_steps(compile_snapshot(pin.number, read.to_snapshot_inputs(config), state.base_snapshot))
    state.adopt_reading(read, FileStatus(restart_keys=restart_keys))
    state.apply_snapshot(snapshot, live)
