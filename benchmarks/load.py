"""Queries sent as fast as a server answers them, and what became of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from attrs import frozen

from benchmarks.servers.server import HOST, Running
from tools import peers
from tools.process import on_core

#: Seconds after which a query counts as lost.
TIMEOUT = 2

_MODES = {"udp": "udp", "tcp": "tcp", "tls": "dot"}


class LoadError(Exception):
    """The load generator failed; the text has what it printed."""


@frozen
class Drive:
    """How queries are sent. *transport*: udp, tcp or tls. *clients*: sockets or connections.

    *outstanding*: queries sent and not yet answered, over all clients. *reconnect*: a connection a query.
    """

    transport: str
    clients: int = 4
    outstanding: int = 100
    reconnect: bool = False


@frozen
class Outcome:
    """*rcodes*: number of answers by mnemonic. *seconds*: how long it took."""

    sent: int
    lost: int
    rcodes: dict[str, int]
    seconds: float


def load(
    drive: Drive, target: Running, file: Path, seconds: float, *, once: bool = False, core: int | None = None
) -> Outcome:
    """Send the queries of *file*, over and over unless *once*, for at most *seconds*. Raises LoadError."""
    port = target.tls_port if drive.transport == "tls" else target.port
    if drive.reconnect:
        return _load_reconnecting(drive, port, file, seconds, core)
    command = [peers.find("dnsperf"), "-s", HOST, "-p", str(port), "-m", _MODES[drive.transport], "-B", "-d", str(file)]
    command += ["-c", str(drive.clients), "-q", str(drive.outstanding), "-t", str(TIMEOUT), "-l", f"{seconds:g}"]
    return parse(_run([*command, *(["-n", "1"] if once else [])], seconds, core))


def _load_reconnecting(drive: Drive, port: int, file: Path, seconds: float, core: int | None) -> Outcome:
    """dnsperf makes no more than about 200 connections a second, too few to measure: benchmarks.oneshot does this."""
    options = ["--clients", str(drive.clients), "--seconds", f"{seconds:g}", "--timeout", str(TIMEOUT)]
    if drive.transport == "tls":
        options.append("--tls")
    command = [sys.executable, "-m", "benchmarks.oneshot", str(port), str(file), *options]
    return Outcome(**json.loads(_run(command, seconds, core)))


def _run(command: list[str], seconds: float, core: int | None) -> str:
    with on_core(core):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + 60, check=False, cwd=peers.ROOT
        )
    if done.returncode:
        raise LoadError(f"{command[0]} ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def parse(text: str) -> Outcome:
    """Read what dnsperf prints at the end."""
    rcodes = _after("Response codes:", text, r"\s+(.*)")
    return Outcome(
        sent=int(_after("Queries sent:", text)),
        lost=int(_after("Queries lost:", text)),
        rcodes={name: int(count) for name, count in re.findall(r"([A-Z]\w+) (\d+)", rcodes)},
        seconds=float(_after("Run time (s):", text)),
    )


def _after(label: str, text: str, pattern: str = r"\s+([\d.]+)") -> str:
    if (found := re.search(re.escape(label) + pattern, text)) is None:
        raise LoadError(f"dnsperf did not print {label!r}: {text[-500:]}")
    return found.group(1)
