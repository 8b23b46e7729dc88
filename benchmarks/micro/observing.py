"""What observing costs the hot path: CPU microseconds of ``Front.answer``, with and without the lines that observe.

``python benchmarks/micro/observing.py``. The two take turns, a round each, so that whatever else the machine does hits
both; the first ratio is that of the fastest rounds, which it hit least.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from graydns.model.transport import UDP

ROOT = Path(__file__).resolve().parents[2]

#: What the front does for those who observe, and what it would do without them.
LINES = {
    " or (self.watched and wire[12 : end - 4].lower() in self.watched)": "",
    """\
        entry.tally.hot += 1
        peer.last = wire
""": "",
    """\
            clients = entry.tally.clients
            if subnet:
                see(clients.registers, subnet if shape.brief else subnet_key(subnet, shape.prefix))
                peer.hot.remember(fork, subnet, entry)
            else:
                clients.note(peer.key if client is peer.plain else key_of(client), wire)
""": """\
            if subnet:
                peer.hot.remember(fork, subnet, entry)
""",
}

ROUNDS = 60
QUERIES = 8192

PLAIN, SOURCE = "the same for all", "by source"
SUBNETS, NEW = "by one of 128 subnets", "by a subnet not seen lately"

CONFIG = """\
admin: null
http: null
zones: {zones}
data: {data}
upstreams: {{none: {{servers: ["udp://127.0.0.1:9"]}}}}
forward: {{}}
cache: {{size: 1MiB}}  # room to remember fewer subnets than ask
"""


def serve(folder: Path) -> None:
    """Answer QUERIES of the kind named on each line of input; print the CPU seconds for one."""
    from twisted.internet.task import Clock

    from graydns.model.query import Query
    from graydns.server import DnsServer
    from graydns.sources.snapshot_loader import load_snapshot

    (folder / "graydns.yaml").write_text(CONFIG.format(zones=ROOT / "zones", data=folder))
    front = DnsServer(load_snapshot(folder / "graydns.yaml")[0], Clock(), cookie_secrets=(bytes(16),)).front
    peer = front.peer("127.0.0.1", UDP)
    kinds = {PLAIN: plain(), SOURCE: gray(None), SUBNETS: gray("198.51.{}.0", 128), NEW: gray("10.{}.{}.0", QUERIES)}
    for wires in kinds.values():
        for wire in wires:
            said = front.answer(wire, peer)
            if isinstance(said, Query):
                warm = front.resolve(said, peer)
                try:
                    warm.send(None)
                except StopIteration:
                    continue
    answer = front.answer
    print("ready", flush=True)
    for line in sys.stdin:
        wires = kinds[line.strip()]
        turns = range(QUERIES // len(wires))
        began = time.process_time()
        for _ in turns:
            for wire in wires:
                answer(wire, peer)
        print((time.process_time() - began) / QUERIES, flush=True)


def plain() -> list[bytes]:
    import dns.message

    return [dns.message.make_query("www.shop.test", "A", use_edns=0).to_wire()]


def gray(subnets: str | None, count: int = 1) -> list[bytes]:
    import dns.edns
    import dns.message

    if subnets is None:
        return [dns.message.make_query("api.shop.test", "A", use_edns=0).to_wire()]
    numbers = (divmod(number, 256) for number in range(count))
    texts = [subnets.format(*number) if "}.{" in subnets else subnets.format(number[1]) for number in numbers]
    options = [dns.edns.ECSOption(text, 24) for text in texts]
    return [dns.message.make_query("api.shop.test", "A", use_edns=0, options=[each]).to_wire() for each in options]


class Worker:
    """A process that measures one of the two."""

    def __init__(self, source: Path, folder: Path) -> None:
        folder.mkdir()
        command, pipe = [sys.executable, __file__, "--serve", str(folder)], subprocess.PIPE
        environment = os.environ | {"PYTHONPATH": str(source)}
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self._read()

    def measure(self, kind: str) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(kind + "\n")
        self._process.stdin.flush()
        return float(self._read())

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def strip(source: Path) -> None:
    """Take the lines that observe out of a copy of the front."""
    path = source / "graydns" / "fast" / "front.py"
    text = path.read_text()
    for lines, instead in LINES.items():
        if text.count(lines) != 1:
            raise SystemExit(f"the front has changed; not there, or not once:\n{lines}")
        text = text.replace(lines, instead)
    path.write_text(text)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for variant in ("without", "with"):
            leave = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "src" / "graydns", folder / variant / "graydns", ignore=leave)
        strip(folder / "without")
        workers = Worker(folder / "without", folder / "a"), Worker(folder / "with", folder / "b")
        for kind in (PLAIN, SOURCE, SUBNETS, NEW):
            rounds = [(workers[0].measure(kind), workers[1].measure(kind)) for _ in range(ROUNDS)]
            before, after = (min(column) * 1e6 for column in zip(*rounds, strict=True))
            middle = statistics.median(after / before for before, after in rounds)
            print(
                f"{kind}: {before:.3f} µs without, {after:.3f} µs with: x {after / before:.3f}"
                f" (x {middle:.3f} in the middle round)"
            )
        for worker in workers:
            worker.end()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]))
    else:
        main()
