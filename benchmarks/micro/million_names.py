"""A zone of a million names: seconds to load, memory, and whether it answers as it should.

``python benchmarks/micro/million_names.py [NAMES]``
"""

from __future__ import annotations

import gc
import resource
import sys
import tempfile
import time
from pathlib import Path

from graydns.authority.lookup import look_up
from graydns.authority.zone_data import Zone, ZoneTable
from graydns.model.client import Client
from graydns.model.decision import Cohort, Decision
from graydns.model.dns_parameters import IN, A
from graydns.model.name import from_text
from graydns.model.query import Query
from graydns.sources.file_reader import ReadJob
from graydns.sources.record_source import RecordSources
from graydns.sources.snapshot_loader import run_read_job

ORIGIN = from_text("zone.test")
HEAD = "$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.1\n*.wild A 192.0.2.2\n"
PLAIN = Decision(Cohort("default"))


CONFIG = 'zone: zone.test\ntenant_id: t\nconfig_version: "1"\nsource: {file: zone.test.zone}\n'


def write_zone(path: Path, names: int) -> None:
    """Like a registry's or a CDN's: one address each, nothing alike."""
    with path.open("w") as file:
        file.write(HEAD)
        for number in range(names):
            file.write(f"host{number:07d}\t300\tIN\tA\t{address(number)}\n")


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def ask(zone: Zone, text: str) -> tuple[int, tuple[bytes, ...]]:
    """The rcode and the addresses."""
    name = from_text(text)
    question = name + A.to_bytes(2, "big") + IN.to_bytes(2, "big")
    found = look_up(
        ZoneTable({zone.origin: zone}), Query(1, b"", question, name, A, IN, Client(b"\x7f\0\0\1")), lambda *_: PLAIN
    )
    return found.rcode, found.rrsets[0].rdatas if found.rrsets[0].rdtype == A else ()


def resident() -> float:
    """MiB this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main(names: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "zones", "zone.test", "zone.test.zone")
        path.parent.mkdir(parents=True)
        Path(folder, "graydns.yaml").write_text("forward: {}\n")
        (path.parent / "zone-config.yaml").write_text(CONFIG)
        write_zone(path, names)
        gc.collect()
        before, start = resident(), time.perf_counter()
        (entry,) = run_read_job(ReadJob(Path(folder, "graydns.yaml")), RecordSources()).zones.values()
        zone = entry.loaded.zone
        seconds = time.perf_counter() - start
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{zone.size:,} names from {names:,} lines: {seconds:.1f} s, {seconds / names * 1e6:.1f} µs a line")
    print(f"memory: {resident() - before:.0f} MiB here, {child:.0f} MiB at most in the child while reading")
    for number in range(0, names, max(1, names // 1000)):
        octets = bytes(map(int, address(number).split(".")))
        if ask(zone, f"host{number:07d}.zone.test") != (0, (octets,)):
            raise SystemExit(f"host{number:07d} is wrong")
    if ask(zone, "any.wild.zone.test") != (0, (bytes((192, 0, 2, 2)),)) or ask(zone, "none.zone.test") != (3, ()):
        raise SystemExit("the wildcard or a missing name is wrong")
    rounds = 20_000
    start = time.perf_counter()
    for number in range(rounds):
        ask(zone, f"host{number * 37 % names:07d}.zone.test")
    print(f"samples are right; {(time.perf_counter() - start) / rounds * 1e6:.0f} µs a lookup, name from text included")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
