"""``python -m tools.signed DIR``: write the hierarchy to DIR, serve it and a validating Unbound until interrupted."""

from __future__ import annotations

import argparse
import calendar
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from tools import peers
from tools.ports import free_ports
from tools.process import NotReady
from tools.signed.hierarchy import SPECS, build
from tools.signed.judge import date, judging
from tools.signed.served import serving

#: Noon of 2026-11-22: the time that the hierarchy is signed for.
NOW = calendar.timegm((2026, 11, 22, 12, 0, 0))

_GRAYDNS = """\
listen: ["udp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}"]
zones: null
admin: null
http: null
upstreams: {{signed: {{servers: ["udp://127.0.0.1:{upstream}"], deadline: 2s}}}}
forward: {{".": signed}}
dnssec:
  validate: true
  validation_time: {date}
  trust_anchors:
{anchors}
"""


def main() -> int:
    """Exit status 1 where a server is missing or does not start."""
    parser = argparse.ArgumentParser(prog="python -m tools.signed", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    folder = parser.parse_args().directory
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder.mkdir(parents=True, exist_ok=True)
    print("signing, about ten seconds", flush=True)
    zones = build(SPECS, NOW)
    anchors = [line for zone in zones for line in zone.anchors()]
    with ExitStack() as held:
        try:
            upstream = held.enter_context(serving(zones, folder))
            judge = held.enter_context(judging(folder, anchors, NOW, upstream.port))
        except (peers.MissingPeer, NotReady) as error:
            print(error, file=sys.stderr)
            return 1
        (port,) = free_ports(1)
        lines = "\n".join(f'    - "{line}"' for line in anchors)
        text = _GRAYDNS.format(port=port, upstream=upstream.port, date=date(NOW), anchors=lines)
        (folder / "graydns.yaml").write_text(text)
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
