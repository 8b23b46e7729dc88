"""How soon a change is in the answers: made in a shell that runs, and made in the file.

``python -m benchmarks.live [--changes 100] [--files 20]`` serves one gray service, asks it a query every millisecond,
and types ``service percent`` into a real ``graydnsctl`` that has its connection already, first 0 and then 100 per cent,
and so on. It prints the milliseconds from the line being typed to the first new answer (what is on the disk by then
survives a power failure), and whether an old answer came after that. Then the same through ``zone-config.yaml``, with
files looked at every second.
"""

from __future__ import annotations

import argparse
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from attrs import define, field

from benchmarks.reload import TWISTD, answering, query, write
from tools.process import free_ports, start

MAIN = """\
listen: ["udp://127.0.0.1:{port}"]
admin: unix:admin.sock
http: null
forward: {{}}
reload: {{refresh_interval_ms: {interval}}}
"""

#: Milliseconds between two looks at the files.
INTERVAL = 1000

STABLE, CANARY = bytes((192, 0, 2, 10)), bytes((192, 0, 2, 20))


@define
class Watcher:
    """Asks every millisecond, subnet after subnet, in a thread of its own.

    *expected*: the address that a change is to bring; *first*: when it came, *late*: other ones after that.
    """

    port: int
    expected: bytes = STABLE
    first: float | None = None
    late: int = 0
    lost: int = 0
    answers: int = 0
    _running: bool = field(init=False, default=True)
    _thread: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def change(self, expected: bytes, make: Callable[[], None]) -> float:
        """Make a change that brings *expected*; seconds until it did. Old answers are looked for a while longer."""
        self.expected, self.first = expected, None
        began = time.monotonic()
        make()
        while self.first is None:
            time.sleep(0.001)
        time.sleep(0.1)
        return self.first - began

    def stop(self) -> None:
        self._running = False
        self._thread.join()

    def _ask(self) -> None:
        wires = [query(f"172.16.{number}.0") for number in range(200)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", self.port))
            client.settimeout(5)
            while self._running:
                client.send(wires[self.answers % len(wires)])
                try:
                    reply = client.recv(4096)
                except TimeoutError:
                    self.lost += 1
                    continue
                self.answers += 1
                if self.expected in reply:
                    self.first = self.first or time.monotonic()
                elif self.first is not None:
                    self.late += 1
                time.sleep(0.001)


@contextmanager
def shell(folder: Path) -> Iterator[Callable[[str], None]]:
    """A function that types a line into a graydnsctl that has answered once."""
    command = [str(Path(sys.executable).parent / "graydnsctl"), "--connect", f"unix:{folder}/admin.sock"]
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


def by_shell(folder: Path, watcher: Watcher, rounds: int) -> Iterator[str]:
    """Lines of a report."""
    with shell(folder) as enter:
        taken = []
        for number in range(rounds + 5):
            percent, expected = ((0, STABLE), (100, CANARY))[number % 2]
            line = f"service percent api.gray.test canary={percent}"
            taken.append(watcher.change(expected, partial(enter, line)) if number else 0.0)
            if not number:
                enter(line)
                time.sleep(2)
        yield told(f"{rounds} changes in a shell", taken[5:])
        watcher.expected = b""  # any
        enter("service revert api.gray.test")
        time.sleep(0.5)


def by_file(folder: Path, watcher: Watcher, rounds: int) -> Iterator[str]:
    """Lines of a report."""
    taken = []
    for version in range(2, 2 + rounds):
        time.sleep(random.random() * INTERVAL / 1000)
        expected = (STABLE, CANARY)[version % 2]
        taken.append(watcher.change(expected, partial(write, folder, version, 1)))
    yield told(f"{rounds} changes of the file, looked at every {INTERVAL} ms", taken)


def told(what: str, taken: list[float]) -> str:
    """Half and all of *taken*, for people."""
    taken = sorted(taken)
    half, ninety, worst = (taken[int((len(taken) - 1) * part)] * 1000 for part in (0.5, 0.9, 1))
    return f"{what}: half of them in the answers within {half:.1f} ms, 90 % within {ninety:.1f}, all within {worst:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--files", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="graydns-live-") as name:
        folder, (port,) = Path(name), free_ports(1)
        (folder / "graydns.yaml").write_text(MAIN.format(port=port, interval=INTERVAL))
        write(folder, 1, 1)
        process = start([*TWISTD, "graydns"], folder)
        try:
            process.wait_until(partial(answering, port), 60)
            watcher = Watcher(port)
            try:
                for line in by_shell(folder, watcher, options.changes):
                    print(line, flush=True)
                for line in by_file(folder, watcher, options.files):
                    print(line, flush=True)
            finally:
                watcher.stop()
            print(f"{watcher.answers} answers, {watcher.lost} lost, {watcher.late} old ones after a new one")
        finally:
            process.stop()


if __name__ == "__main__":
    main()
