"""The tables, in Markdown: readable on a screen, and what RESULTS.md holds."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from benchmarks.cases import GROUPS, Comparison, Group
from benchmarks.measure import Effort, Result, ratio
from benchmarks.memory import Weight
from tools import peers


def machine(effort: Effort) -> str:
    """What the figures were measured on, and with."""
    servers = {subject.server.name: subject.server for group in GROUPS.values() for subject in group.subjects}
    versions = ", ".join(f"{name} {server.version()}" for name, server in servers.items() if server.is_present())
    missing = ", ".join(name for name, server in servers.items() if not server.is_present())
    return "\n".join(
        (
            f"- {date.today().isoformat()}, {_processor()}, {os.cpu_count()} processors,"
            f" {platform.system()} {platform.release()}, load {os.getloadavg()[0]:.2f} at the start",
            f"- Python {platform.python_version()}, {versions}{'; not installed: ' + missing if missing else ''}",
            f"- medians of {effort.rounds} rounds of {effort.seconds:g} s, each server with one worker",
        )
    )


def group_table(group: Group, results: Mapping[str, Result]) -> str:
    """A group's figures, and below them what they are to each other."""
    rows = [_row(result) for result in results.values()]
    head = ("server", "CPU µs per query", "rounds", "queries/s", "lost")
    parts = [f"## {group.title}", table(head, rows)]
    ratios = [_ratio_row(comparison, results) for comparison in group.comparisons]
    if shown := [row for row in ratios if row]:
        parts.append(table(("ratio", "is", "target", ""), shown))
    parts += [f"{result.subject.label} refused: {result.refused}" for result in results.values() if result.refused]
    return "\n\n".join(parts)


def memory_table(weights: Iterable[Weight]) -> str:
    """What was weighed."""
    return "\n\n".join(("## Memory", table(("server", "what", "is", "target", ""), map(_weight_row, weights))))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, tuple("-" * width for width in widths))
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def _row(result: Result) -> tuple[str, ...]:
    label = result.subject.label
    if result.refused:
        return label, "refused", "", "", ""
    costs = sorted(run.cost for run in result.runs)
    rate = sorted(run.rate for run in result.runs)[len(costs) // 2]
    spread = f"{costs[0]:.1f} to {costs[-1]:.1f}"
    return label, f"{result.cost:.1f}", spread, f"{rate:,.0f}", str(sum(run.lost for run in result.runs))


def _ratio_row(comparison: Comparison, results: Mapping[str, Result]) -> tuple[str, ...] | None:
    one, other = results.get(comparison.subject), results.get(comparison.other)
    if one is None or other is None or one.refused or other.refused:
        return None
    value, at_most = ratio(one, other), comparison.at_most
    target = f"≤ {at_most}" if at_most else ""
    return f"{comparison.subject} / {comparison.other}", f"{value:.2f}", target, _verdict(value, at_most)


def _weight_row(weight: Weight) -> tuple[str, ...]:
    if weight.refused:
        return weight.label, weight.what, "refused", weight.refused.splitlines()[0], ""
    target = f"≤ {weight.at_most:,.0f}" if weight.at_most else ""
    return weight.label, weight.what, f"{weight.value:,.0f}", target, _verdict(weight.value, weight.at_most)


def _verdict(value: float, at_most: float | None) -> str:
    if at_most is None:
        return ""
    return "reached" if value <= at_most else "missed"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def write(path: Path, parts: Sequence[str]) -> None:
    """Keep the whole report."""
    head = ("# Results", "`make bench WRITE=1` wrote this; README.md says how it is measured.")
    path.write_text("\n\n".join((*head, *parts)) + "\n")
    print(f"\nwritten to {path.relative_to(peers.ROOT)}")
