"""The output of graydnsctl, for people and for programs.

Text from files or the network is escaped, so that it cannot control the terminal. Tables are made with rich, which is
loaded with the first one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from graydns.model.errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def print_line(text: str) -> None:
    """Print a line for people."""
    click.echo(printable(text))


def print_error(text: str) -> None:
    """Print a line to standard error."""
    click.echo(printable(text), err=True)


def print_json(value: Mapping[str, object]) -> None:
    """Print *value* for programs: one JSON object, ASCII only."""
    click.echo(json.dumps(value))


#: Columns if the output is no terminal, so that no line is wrapped.
NON_TERMINAL_COLUMNS = 400

#: Names of one kind that a line of the history shows.
MAX_SHOWN_NAMES = 4


def print_value(value: Any) -> None:
    """Print any plain value: a list of dicts as a table, a dict as fields, its tables under them."""
    if isinstance(value, Mapping):
        print_fields(value)
    elif isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        print_table(value)
    elif isinstance(value, list):
        _make_console().print(_make_text(", ".join(map(format_cell, value)) or "nothing"))
    else:
        _make_console().print(_make_text(format_cell(value)))


def print_table(rows: Sequence[Mapping[str, Any]], first: Sequence[str] = (), title: str | None = None) -> None:
    """Print *rows*; a column for each key that any has, those in *first* first."""
    from rich.table import Table

    columns = dict.fromkeys(first)
    for row in rows:
        columns.update(dict.fromkeys(row))
    made = Table(title=None if title is None else _make_text(title), title_justify="left", box=None, pad_edge=False)
    for column in columns:
        numeric = all(isinstance(row.get(column), int | float) for row in rows)
        made.add_column(_make_text(column), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_make_text(format_cell(row.get(column))) for column in columns))
    _make_console().print(made)


def print_fields(value: Mapping[str, Any]) -> None:
    """Print a dict: short values as ``key value`` lines, tables below."""
    from rich.table import Table

    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    below = []
    for key, each in _flatten(value):
        if isinstance(each, list) and each and all(isinstance(row, Mapping) for row in each):
            below.append((key, each))
        elif isinstance(each, Mapping) and _is_table(each):
            below.append((key, [{"name": name, **row} for name, row in each.items()]))
        else:
            grid.add_row(_make_text(key), _make_text(format_cell(each)))
    _make_console().print(grid)
    for key, each in below:
        _make_console().print()
        print_table(each, title=key)


def print_alert(text: str) -> None:
    """Print a highlighted line."""
    _make_console().print(_make_text(text), style="bold white on red")


def format_cell(value: Any) -> str:
    """*value* in one line."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, list) and all(isinstance(each, str | int) for each in value):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, Mapping) and _is_scalar(*value.values()):
        return " ".join(f"{key}={format_cell(each)}" for key, each in value.items()) or "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def print_status(value: dict[str, Any]) -> None:
    """Print a status, with a warning first if gray routing is off."""
    if off := value.get("gray_off"):
        whom = "ALL TENANTS" if "*" in off or None in off else ", ".join(map(str, off))
        print_alert(f"GRAY ROUTING IS OFF for {whom}: every service answers with its default (`gray on` ends this)")
    print_fields(value)


def print_history(rows: list[dict[str, Any]]) -> None:
    """Print a history, with its changes shortened."""
    shown = [row | {"changes": format_changes(row.get("changes") or {})} for row in rows]
    print_table(shown, ("number", "at", "actor")) if shown else print_value(shown)


def format_changes(changes: dict[str, dict[str, Any]]) -> str:
    """``+zones a.test; *rules ads, vip``: what was added (+), removed (-) and altered (*), a few names of each."""
    signs = {"+": "added", "-": "removed", "*": "altered"}
    parts = []
    for kind, each in changes.items():
        for sign, key in signs.items():
            if names := each.get(key):
                rest = f" and {len(names) - MAX_SHOWN_NAMES} more" if len(names) > MAX_SHOWN_NAMES else ""
                parts.append(f"{sign}{kind} {', '.join(names[:MAX_SHOWN_NAMES])}{rest}")
        if more := each.get("more"):
            parts.append(f"{more} more {kind}")
    return "; ".join(parts) or "-"


def print_validation(value: dict[str, Any]) -> None:
    """Print the steps of a validation, the records if there are any, and the outcome last."""
    value = dict(value)
    steps, records = value.pop("steps"), value.pop("records", None)
    if steps:
        print_table(steps)
    for record in records or ():
        print_value(record)
    print_fields(value)


def format_revision(made: dict[str, Any]) -> list[str]:
    """The lines of a revision of the release policy, as JSON."""
    return json.dumps(made, indent=1, sort_keys=True).split("\n")


def print_lines(lines: Iterable[str]) -> None:
    """Print *lines*."""
    for line in lines:
        print_line(line)


def _flatten(value: Mapping[str, Any], lead: str = "") -> Iterable[tuple[str, Any]]:
    """Pairs of dotted key and value; dicts of scalars stay whole, and so do those that make a table."""
    for key, each in value.items():
        if isinstance(each, Mapping) and not _is_scalar(*each.values()) and not _is_table(each):
            yield from _flatten(each, f"{lead}{key}.")
        else:
            yield f"{lead}{key}", each


def _is_scalar(*values: Any) -> bool:
    return all(value is None or isinstance(value, str | int | float) for value in values)


def _is_table(value: Mapping[str, Any]) -> bool:
    """Whether it is a dict of at least one dict with scalars."""
    rows = value.values()
    return bool(rows) and all(isinstance(row, Mapping) and row and _is_scalar(*row.values()) for row in rows)


def _make_text(text: str) -> Text:
    from rich.text import Text

    return Text(printable(text))


def _make_console() -> Console:
    from rich.console import Console

    # A new one each time, because `watch` and tests replace sys.stdout.
    width = None if sys.stdout.isatty() else NON_TERMINAL_COLUMNS
    return Console(markup=False, highlight=False, emoji=False, width=width)
