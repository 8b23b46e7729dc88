"""How long answers stop while a large policy is reloaded, and what a reload costs.

``python -m benchmarks.reload [--rules 100000] [--rounds 3] [--small 1000]`` serves a zone with that many rules, asks a
query every millisecond, replaces every rule, and prints the longest time between two answers: while nothing happened,
and from the change of the file until the old policy has been freed. Then it makes small changes through the file, as
many as wanted, while dnsperf sends 5,000 queries a second.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dns.exception
import dns.message
import dns.query
from attrs import define, field

from benchmarks.query_loop import QueryLoop, query
from tools import peers
from tools.ports import free_ports
from tools.process import Process, start
from tools.programs import TWISTD

MAIN = """\
listen: ["udp://127.0.0.1:{port}"]
admin: null
http: null
forward: {{}}
reload: {{refresh_interval_ms: 100}}
"""

DATA = "$ORIGIN gray.test.\n$TTL 300\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"

HEAD = """\
zone: gray.test
tenant_id: bench
config_version: "{version}"
source: {{file: data.zone}}
services:
  api.gray.test:
    versions: {{stable: {{A: 192.0.2.10}}, canary: {{A: 192.0.2.20}}}}
    default: stable
    percent: {{canary: {percent}}}
rules:
"""

RULE = "  - {{name: r{number}-{version}, when: {{source: {first}.{second}.{third}.0/24}}, then: {{version: canary}}}}\n"

#: Seconds of queries before the first change, and for an old policy to be freed.
QUIET = 3.0


@define
class GapMeter(QueryLoop):
    """Measures the gaps between answers of the process *server*.

    *longest*: most seconds between two answers; *wait*: most from a query to its answer; *own*: most that this thread
    was not scheduled, which says how much of *longest* may be due to the machine; *work*: seconds of processor time
    that the server used during *longest*.
    """

    server: int = field(kw_only=True)
    longest: float = 0.0
    wait: float = 0.0
    own: float = 0.0
    work: float = 0.0
    _last: float = field(init=False, factory=time.monotonic)
    _before: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._before = used(self.server)
        QueryLoop.__attrs_post_init__(self)

    def reset(self) -> str:
        """A text with the longest gap so far; start over."""
        text = (
            f"{self.longest * 1000:.1f} ms (the server worked for {self.work * 1000:.1f} of them; "
            f"an answer took {self.wait * 1000:.1f} at most, the client was not run for {self.own * 1000:.1f} at most)"
        )
        self.longest = self.wait = self.own = self.work = 0.0
        return text

    def on_reply(self, reply: bytes, sent: float, now: float) -> None:
        """Measure the gap."""
        self.wait = max(self.wait, now - sent)
        work = used(self.server)
        if now - self._last > self.longest:
            self.longest, self.work = now - self._last, work - self._before
        self._last, self._before = now, work

    def on_pause(self, over: float) -> None:
        """Note how long this thread was not scheduled."""
        self.own = max(self.own, over)


def used(process: int) -> float:
    """Seconds of processor time of *process*: the clock that clock_getcpuclockid(3) names for it."""
    return time.clock_gettime(~process << 3 | 2)


def policy(version: int, rules: int) -> Iterator[str]:
    """The zone's file; the parity of *version* decides what clients without a rule get."""
    yield HEAD.format(version=version, percent=100 * (version % 2))
    for number in range(rules):
        first, second, third = 20 + (number >> 16), number >> 8 & 255, number & 255
        yield RULE.format(number=number, version=version, first=first, second=second, third=third)


def write(folder: Path, version: int, rules: int) -> None:
    """Replace the zone's file as an editor does: in one move."""
    home = folder / "zones" / "gray.test"
    home.mkdir(parents=True, exist_ok=True)
    (home / "data.zone").write_text(DATA) if not (home / "data.zone").exists() else None
    (home / "fresh").write_text("".join(policy(version, rules)))
    (home / "fresh").rename(home / "zone-config.yaml")


def served(port: int) -> str:
    """The address that a client without a rule gets."""
    reply = dns.query.udp(dns.message.from_wire(query("172.16.5.0")), "127.0.0.1", port=port, timeout=5)
    return str(reply.answer[0][0])


def until_served(port: int, version: int) -> float:
    """Seconds until a change of the file is in the answers."""
    began, wanted = time.monotonic(), ("192.0.2.10", "192.0.2.20")[version % 2]
    while served(port) != wanted:
        time.sleep(0.002)
    return time.monotonic() - began


def resident(process: Process) -> int:
    """MiB of memory."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * 4096 >> 20


def measure(folder: Path, port: int, process: Process, rules: int, rounds: int) -> Iterator[str]:
    """Lines of a report."""
    meter = GapMeter(port, server=process.pid)
    try:
        time.sleep(1)
        meter.reset()
        time.sleep(QUIET)
        yield f"quiet: longest gap {meter.reset()}, {resident(process)} MiB"
        for version in range(2, 2 + rounds):
            write(folder, version, rules)
            meter.reset()
            seconds = until_served(port, version)
            gap = meter.reset()
            time.sleep(QUIET)
            after = meter.reset()
            yield (
                f"{rules} rules replaced: served after {seconds:.1f} s, longest gap {gap}, "
                f"while the old ones went {after}, {resident(process)} MiB"
            )
    finally:
        meter.stop()
    yield f"{meter.answers} answers, {meter.lost} lost"


def small(folder: Path, port: int, process: Process, rounds: int) -> Iterator[str]:
    """How soon small changes are in the answers, what became of the queries meanwhile, and of the memory."""
    questions = folder / "questions"
    questions.write_text("api.gray.test A\nns.gray.test A\napi.gray.test AAAA\n")
    command = [peers.find("dnsperf"), "-s", "127.0.0.1", "-p", str(port), "-d", str(questions), "-e", "-Q", "5000"]
    asking = subprocess.Popen([*command, "-l", "3600"], stdout=subprocess.PIPE, text=True)
    try:
        for version in range(2, 32):
            write(folder, version, 1)
            until_served(port, version)
        before, taken = resident(process), []
        for version in range(32, 32 + rounds):
            write(folder, version, 1)
            taken.append(until_served(port, version))
        time.sleep(QUIET)
        after = resident(process)
    finally:
        asking.send_signal(signal.SIGINT)
        said = asking.communicate()[0]
    taken.sort()
    yield (
        f"{rounds} small changes, files looked at every 100 ms: half of them served within "
        f"{taken[len(taken) // 2] * 1000:.0f} ms, all within {taken[-1] * 1000:.0f} ms; {before} MiB, then {after} MiB"
    )
    for label in ("Queries sent", "Queries lost", "Response codes"):
        yield next((line.strip() for line in said.splitlines() if label in line), f"no word of {label}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rules", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", type=int, default=1000)
    options = parser.parse_args()
    for rules in filter(None, (options.rules, 1 if options.small else 0)):
        with tempfile.TemporaryDirectory(prefix="graydns-reload-") as name:
            folder, (port,) = Path(name), free_ports(1)
            (folder / "graydns.yaml").write_text(MAIN.format(port=port))
            write(folder, 1, rules)
            process = start([*TWISTD, "graydns"], folder)
            try:
                process.wait_until(partial(answering, port), 300)
                if rules == 1:
                    lines = small(folder, port, process, options.small)
                else:
                    lines = measure(folder, port, process, rules, options.rounds)
                for line in lines:
                    print(line, flush=True)
            finally:
                process.stop()


def answering(port: int) -> bool:
    """Whether a server is there."""
    try:
        served(port)
    except (OSError, dns.exception.DNSException):
        return False
    return True


if __name__ == "__main__":
    main()
