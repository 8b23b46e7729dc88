"""Memory while upstreams say nothing.

``python -m benchmarks.silence [--rate 4500] [--bursts 3] [--seconds 13]`` asks a graydns, whose upstream is silent, for
names that nobody has asked for, in bursts with pauses between them, and prints its resident memory after each.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import tempfile
import time
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from benchmarks.paced_queries import ask_paced
from benchmarks.usage import resident_bytes
from tools.ports import free_ports
from tools.process import start
from tools.programs import TWISTD

CONFIG = """\
listen: ["udp://127.0.0.1:{port}"]
admin: null
http: null
limits: {{max_inflight_per_source: 100000}}
upstreams: {{default: {{servers: ["udp://127.0.0.1:{upstream}"], deadline: 1s}}}}
forward: {{".": default}}
"""

#: Seconds between two bursts, in which everything ends.
PAUSE = 4.0


def is_answering(port: int) -> bool:
    """Whether the server at *port* answers: REFUSED for another class, which takes no upstream."""
    query = dns.message.make_query("version.bind", "TXT", "CH")
    try:
        dns.query.udp(query, "127.0.0.1", timeout=0.2, port=port)
    except (OSError, dns.exception.Timeout):
        return False
    return True


def main() -> None:
    """Ask, and print what memory does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=4500.0, help="queries a second")
    parser.add_argument("--bursts", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=13.0, help="length of a burst")
    options = parser.parse_args()
    numbers = itertools.count(1_000_000)
    wire = dns.message.make_query("n0000000.example.com", "A", use_edns=0).to_wire()

    def make_query() -> bytes:
        return wire.replace(b"n0000000", b"n%07d" % next(numbers))

    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        folder = Path(name)
        silent.bind(("127.0.0.1", 0))
        (port,) = free_ports(1)
        (folder / "zones").mkdir()
        config = CONFIG.format(port=port, upstream=silent.getsockname()[1])
        (folder / "graydns.yaml").write_text(config)
        server = start([*TWISTD, "--nodaemon", "--pidfile=", "graydns", "--config", "graydns.yaml"], folder)
        try:
            server.wait_until(lambda: is_answering(port))
            sizes = [resident_bytes(server.pid)]
            for _ in range(options.bursts):
                paced = ask_paced(port, {"miss": (1.0, make_query)}, options.rate, options.seconds)
                time.sleep(PAUSE)
                sizes.append(resident_bytes(server.pid))
                answered = len(paced.seconds["miss"])
                resident = sizes[-1] / 2**20
                print(f"{paced.sent['miss']:,} queries, {answered:,} answered, resident {resident:.1f} MiB", flush=True)
        finally:
            server.stop()
    first, last = (sizes[1] - sizes[0]) / 2**20, (sizes[-1] - sizes[1]) / 2**20
    print(f"at the start {sizes[0] / 2**20:.1f} MiB; growth in the first burst {first:.1f}, after it {last:.1f} MiB")


if __name__ == "__main__":
    main()
