"""Tables of docs/gray-routing.md, as tests read them."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "gray-routing.md"


def table(first: str, second: str) -> list[list[str]]:
    """The cells of the table whose header begins with these two columns, backquotes left out."""
    lines = iter(PAGE.read_text().splitlines())
    for line in lines:
        if line.startswith(f"| {first} | {second} |"):
            break
    next(lines)
    rows: list[list[str]] = []
    for line in lines:
        if not line.startswith("|"):
            return rows
        rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows
