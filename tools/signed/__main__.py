"""``python -m tools.signed DIR``: write the hierarchy to DIR, serve it and a validating Unbound until interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from tools import peers
from tools.ports import free_ports
from tools.process import NotReady
from tools.signed.forwarder import forwarding
from tools.signed.hierarchy import NOW, SPECS, anchors_of, build
from tools.signed.judge import judging
from tools.signed.served import serving


def main() -> int:
    """Exit status 1 where a server is missing or does not start."""
    parser = argparse.ArgumentParser(prog="python -m tools.signed", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    folder = parser.parse_args().directory
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder.mkdir(parents=True, exist_ok=True)
    print("signing, about ten seconds", flush=True)
    zones = build(SPECS, NOW)
    anchors = anchors_of(zones)
    with ExitStack() as held:
        try:
            upstream = held.enter_context(serving(zones, folder))
            judge = held.enter_context(judging(folder, anchors, NOW, upstream.port))
        except (peers.MissingPeer, NotReady) as error:
            print(error, file=sys.stderr)
            return 1
        (port,) = free_ports(1)
        head = f'listen: ["udp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}"]\nzones: null\nadmin: null\nhttp: null\n'
        (folder / "graydns.yaml").write_text(head + forwarding(upstream.port, anchors, NOW))
        print(f"the hierarchy  127.0.0.1 port {upstream.port}   (named)")
        print(f"validated      127.0.0.1 port {judge}   (unbound)")
        print("beside it      " + f".venv/bin/twistd -n --pidfile= graydns --config {folder / 'graydns.yaml'}")
        print(f"then           dig +dnssec @127.0.0.1 -p {port} www.p256.test     flags: ad")
        print(f"               dig @127.0.0.1 -p {port} www.altered.test          SERVFAIL; with +cd the data")
        sys.stdout.flush()
        signal.pause()
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
