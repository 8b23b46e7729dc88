"""``python -m benchmarks``: measure, print, and with ``--write`` keep the tables in RESULTS.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import report
from benchmarks.cases import GROUPS
from benchmarks.measure import Effort, measure
from benchmarks.memory import Weight, cached_weight, demo_weight
from benchmarks.servers.bind import Bind
from benchmarks.servers.dnsdist import Dnsdist
from benchmarks.servers.graydns import Graydns
from benchmarks.servers.server import Server, World
from benchmarks.servers.unbound import Unbound
from benchmarks.world import prepared_world, upstream
from tools import peers

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"

#: Bytes: resident with the demo, and per cached answer.
DEMO_AT_MOST, CACHED_AT_MOST = 90e6, 1200


def main() -> int:
    """Exit status 1 if any run was refused, 2 if it cannot be measured here at all."""
    options = _options()
    if lacking := _lacking():
        print(f"benchmarks: {lacking}", file=sys.stderr)
        return 2
    effort = Effort(options.rounds, options.seconds)
    parts = [report.machine(effort)]
    print(parts[0], flush=True)
    with prepared_world() as world:
        for part, is_sound in _measured(options.only or [*GROUPS, "memory"], world, effort):
            print(f"\n{part}", flush=True)
            parts.append(part)
            options.sound &= is_sound
    if options.write:
        report.write(RESULTS, parts)
    return 0 if options.sound else 1


def _measured(chosen: list[str], world: World, effort: Effort) -> Iterator[tuple[str, bool]]:
    """The table of each chosen group, and whether none of its runs was refused."""
    for key in chosen:
        if key == "memory":
            weights = weigh(world)
            yield report.memory_table(weights), not any(weight.refused for weight in weights)
        else:
            results = measure(GROUPS[key], world, effort)
            yield report.group_table(GROUPS[key], results), not any(it.refused for it in results.values())


def weigh(world: World) -> list[Weight]:
    """The demo, then every forwarder that is installed."""
    forwarders: tuple[Server, ...] = (Graydns(), Unbound(), Dnsdist(), Bind())
    return [
        demo_weight(world, DEMO_AT_MOST),
        *(
            cached_weight(server, world, CACHED_AT_MOST if isinstance(server, Graydns) else None)
            for server in forwarders
            if server.is_present()
        ),
    ]


def _lacking() -> str:
    if not peers.is_present("dnsperf"):
        return "dnsperf is not installed, and nothing can be measured without it (README.md)"
    return (
        "" if upstream().is_present() else "neither knot nor bind9 is installed, of which one is everybody's upstream"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the tables in benchmarks/RESULTS.md")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken (3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="the most that one run takes (3)")
    parser.add_argument("--only", nargs="+", choices=[*GROUPS, "memory"], metavar="GROUP", help=", ".join(GROUPS))
    parser.set_defaults(sound=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
