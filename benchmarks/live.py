"""How soon a change is in the answers: made in a shell that runs, and made in the file.

``python -m benchmarks.live [--changes 100] [--files 20]`` serves one gray service, asks it a query every millisecond,
and enters ``service percent`` in a real ``graydnsctl`` that has its connection already, first 0 and then 100 per cent,
and so on. It prints the milliseconds from the entered line to the first new answer (what is on the disk by then
survives a power failure), and whether an old answer came after that. Then the same through ``zone-config.yaml``, with
files checked every second.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.change_watcher import CANARY, STABLE, ChangeWatcher, format_delays, report, watch_changes
from benchmarks.reload import write
from tools.ports import free_ports
from tools.programs import GRAYDNSCTL

MAIN = """\
listen: ["udp://127.0.0.1:{port}"]
admin: unix:admin.sock
http: null
forward: {{}}
reload: {{refresh_interval_ms: {interval}}}
"""

#: Milliseconds between two looks at the files.
INTERVAL = 1000


@contextmanager
def shell(folder: Path) -> Iterator[Callable[[str], None]]:
    """A function that enters a line in a graydnsctl that has answered once."""
    command = [GRAYDNSCTL, "--connect", f"unix:{folder}/admin.sock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        keyboard = process.stdin

        def enter(line: str) -> None:
            keyboard.write(f"{line}\n".encode())
            keyboard.flush()

        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            enter("status")
            yield enter
        finally:
            keyboard.close()


def by_shell(folder: Path, watcher: ChangeWatcher, rounds: int) -> Iterator[str]:
    """Lines of a report."""
    with shell(folder) as enter:
        taken = []
        for number in range(rounds + 5):
            percent, expected = ((0, STABLE), (100, CANARY))[number % 2]
            line = f"service percent api.gray.test canary={percent}"
            taken.append(watcher.change(expected, partial(enter, line)))
        yield format_delays(f"{rounds} changes in a shell", taken[5:])
        watcher.expected = b""  # any
        enter("service revert api.gray.test")
        time.sleep(0.5)


def by_file(folder: Path, watcher: ChangeWatcher, rounds: int) -> Iterator[str]:
    """Lines of a report."""
    taken = []
    for version in range(2, 2 + rounds):
        time.sleep(random.random() * INTERVAL / 1000)
        expected = (STABLE, CANARY)[version % 2]
        taken.append(watcher.change(expected, partial(write, folder, version, 1)))
    yield format_delays(f"{rounds} changes of the file, checked every {INTERVAL} ms", taken)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--files", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="graydns-live-") as name:
        folder, (port,) = Path(name), free_ports(1)
        (folder / "graydns.yaml").write_text(MAIN.format(port=port, interval=INTERVAL))
        write(folder, 1, 1)
        with watch_changes(folder, port) as watcher:
            report(watcher, by_shell(folder, watcher, options.changes), by_file(folder, watcher, options.files))


if __name__ == "__main__":
    main()
