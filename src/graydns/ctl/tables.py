"""Tables for people, made with rich, which is loaded with the first one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graydns.model.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Columns where the output is no terminal: nothing is cut for want of room.
WIDE = 400


def show(value: Any) -> None:
    """Print any plain value: a list of dicts as a table, a dict as fields, its tables under them."""
    if isinstance(value, Mapping):
        fields(value)
    elif isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        table(value)
    elif isinstance(value, list):
        _console().print(_text(", ".join(map(written, value)) or "nothing"))
    else:
        _console().print(_text(written(value)))


def shower(*columns: str) -> Callable[[Any], None]:
    """Something that prints a list of dicts as a table with *columns* first."""
    return lambda rows: table(rows, columns) if rows else show(rows)


def table(rows: Sequence[Mapping[str, Any]], first: Sequence[str] = (), title: str | None = None) -> None:
    """Print *rows*; a column for each key that any has, those in *first* first."""
    from rich.table import Table

    columns = dict.fromkeys(first)
    for row in rows:
        columns.update(dict.fromkeys(row))
    made = Table(title=None if title is None else _text(title), title_justify="left", box=None, pad_edge=False)
    for column in columns:
        numeric = all(isinstance(row.get(column), int | float) for row in rows)
        made.add_column(_text(column), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_text(written(row.get(column))) for column in columns))
    _console().print(made)


def fields(value: Mapping[str, Any]) -> None:
    """Print a dict: what is short as ``key value`` lines, what is a table below."""
    from rich.table import Table

    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    below = []
    for key, each in _flat(value):
        if isinstance(each, list) and each and all(isinstance(row, Mapping) for row in each):
            below.append((key, each))
        elif isinstance(each, Mapping) and _is_table(each):
            below.append((key, [{"name": name, **row} for name, row in each.items()]))
        else:
            grid.add_row(_text(key), _text(written(each)))
    _console().print(grid)
    for key, each in below:
        _console().print()
        table(each, title=key)


def shout(text: str) -> None:
    """Print a line that nobody overlooks."""
    _console().print(_text(text), style="bold white on red")


def written(value: Any) -> str:
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
        return " ".join(f"{key}={written(each)}" for key, each in value.items()) or "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(value: Mapping[str, Any], lead: str = "") -> Iterable[tuple[str, Any]]:
    """Pairs of dotted key and value; dicts of scalars stay whole, and so do those that make a table."""
    for key, each in value.items():
        if isinstance(each, Mapping) and not _is_scalar(*each.values()) and not _is_table(each):
            yield from _flat(each, f"{lead}{key}.")
        else:
            yield f"{lead}{key}", each


def _is_scalar(*values: Any) -> bool:
    return all(value is None or isinstance(value, str | int | float) for value in values)


def _is_table(value: Mapping[str, Any]) -> bool:
    """Whether it is a dict of at least one dict with scalars."""
    rows = value.values()
    return bool(rows) and all(isinstance(row, Mapping) and row and _is_scalar(*row.values()) for row in rows)


def _text(text: str) -> Text:
    from rich.text import Text

    return Text(printable(text))


def _console() -> Console:
    from rich.console import Console

    # Made anew each time, because it must follow sys.stdout, which `watch` and tests replace.
    width = None if sys.stdout.isatty() else WIDE
    return Console(markup=False, highlight=False, emoji=False, width=width)
