"""Tables and fields on the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from graydns.ctl.output import format_cell, format_changes, print_table, print_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (1795392000.5, "1795392000.5"),
        ([], "-"),
        (["a", 1], "a, 1"),
        ({"canary": "10", "stable": None}, "canary=10 stable=-"),
        ({}, "-"),
        ([{"a": 1}], '[{"a": 1}]'),
        ("text", "text"),
    ],
)
def test_each_value_has_one_line(value: Any, text: str) -> None:
    """Also lists and dicts."""
    assert format_cell(value) == text


def lines(value: Any, capsys: pytest.CaptureFixture[str], *first: str) -> list[list[str]]:
    """The printed lines, split into words."""
    print_table(value, first) if first else print_value(value)
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_rows_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """With a column for each key of any row, the given ones first."""
    rows = [{"b": 1, "a": "x"}, {"b": 22, "c": None}]
    assert lines(rows, capsys, "a") == [["a", "b", "c"], ["x", "1", "-"], ["-", "22", "-"]]
    assert lines([], capsys) == [["nothing"]]


def test_fields_are_printed_before_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """Lists and dicts of rows are tables; other dicts are flattened."""
    value = {
        "name": "api",
        "served": {"canary": {"queries": 3}, "stable": {"queries": 40}},
        "rules": [{"rule": "ads", "matched": False}],
        "deep": {"more": {"list": [1, 2], "x": {"y": 1}}},
    }
    assert lines(value, capsys) == [
        ["name", "api"],
        ["deep.more.list", "1,", "2"],
        ["deep.more.x", "y=1"],
        [],
        ["served"],
        ["name", "queries"],
        ["canary", "3"],
        ["stable", "40"],
        [],
        ["rules"],
        ["rule", "matched"],
        ["ads", "no"],
    ]


def test_keys_values_and_markup_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Markup is rich's own."""
    print_value({"\x1b[1mkey": "\x1b]0;title\x07", "list": [{"[red]a[/red]": "[bold]b\n[/bold] :smile:"}]})
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert "[red]a[/red]" in out
    assert "[bold]b\\n[/bold] :smile:" in out


def test_the_changes_of_a_history_are_shortened() -> None:
    """To a few names of each kind."""
    changes = {
        "files": {"added": [], "removed": [], "altered": [], "more": 0},
        "zones": {"added": ["a.test"], "removed": [], "altered": [], "more": 0},
        "rules": {"added": [], "removed": ["x"], "altered": list("abcdef"), "more": 900},
    }
    assert format_changes(changes) == "+zones a.test; -rules x; *rules a, b, c, d and 2 more; 900 more rules"
    assert format_changes({}) == "-"
