"""The judge: an Unbound that validates what the same upstream says, at the same time, from the same anchors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tools import peers
from tools.ports import free_ports
from tools.process import start
from tools.signed.served import is_up

#: Other than Unbound's defaults: the clock; names ending in test. (it has a zone of its own for them); nothing is made
#: up from proofs seen before (aggressive-nsec, harden-below-nxdomain), so that each question finds the fault it is
#: meant to find; room for many questions at a time, and patience with an upstream that is slow to answer them.
_CONFIGURATION = """\
server:
  interface: 127.0.0.1@{port}
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  verbosity: 1
  log-time-ascii: yes
  num-threads: 1
  module-config: "validator iterator"
  trust-anchor-file: "{folder}/anchors.txt"
  val-override-date: "{date}"
  val-log-level: 2
  ede: yes
  do-not-query-localhost: no
  local-zone: "test." nodefault
  aggressive-nsec: no
  harden-below-nxdomain: no
  qname-minimisation: no
  prefetch: no
  msg-cache-size: 64m
  rrset-cache-size: 64m
  key-cache-size: 32m
  outgoing-range: 2048
  num-queries-per-thread: 1024
  infra-cache-min-rtt: 8000
  unknown-server-time-limit: 8000
  jostle-timeout: 10000
  incoming-num-tcp: 200
  outgoing-num-tcp: 200
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{upstream}
"""


def date(now: int) -> str:
    """*now* (Unix seconds) as signatures have it: YYYYMMDDHHmmSS."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%d%H%M%S")


@contextmanager
def judging(folder: Path, anchors: Sequence[str], now: int, upstream: int) -> Iterator[int]:
    """The port of an Unbound that forwards to *upstream*, a port of 127.0.0.1, too. Raises MissingPeer, NotReady."""
    program, (port,) = peers.find("unbound"), free_ports(1)
    (folder / "anchors.txt").write_text("".join(f"{line}\n" for line in anchors))
    values = {"port": port, "folder": folder.resolve(), "date": date(now), "upstream": upstream}
    (folder / "unbound.conf").write_text(_CONFIGURATION.format(**values))
    process = start([program, "-d", "-c", str(folder / "unbound.conf")], folder)
    try:
        process.wait_until(lambda: is_up(port))
        yield port
    finally:
        process.stop()
