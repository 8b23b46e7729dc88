"""Tables for people."""

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
def test_values(value: Any, text: str) -> None:
    """Each value has one line."""
    assert format_cell(value) == text


def lines(value: Any, capsys: pytest.CaptureFixture[str], *first: str) -> list[list[str]]:
    """What is printed, in words."""
    print_table(value, first) if first else print_value(value)
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_a_list_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """A column for each key of any row, those asked for first."""
    rows = [{"b": 1, "a": "x"}, {"b": 22, "c": None}]
    assert lines(rows, capsys, "a") == [["a", "b", "c"], ["x", "1", "-"], ["-", "22", "-"]]
    assert lines([], capsys) == [["nothing"]]


def test_fields_with_tables_below(capsys: pytest.CaptureFixture[str]) -> None:
    """Short values first; lists of rows and dicts of rows are tables; other dicts are spread out."""
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


def test_nothing_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither keys nor values nor what looks like rich's own markup."""
    print_value({"\x1b[1mkey": "\x1b]0;title\x07", "list": [{"[red]a[/red]": "[bold]b\n[/bold] :smile:"}]})
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert "[red]a[/red]" in out
    assert "[bold]b\\n[/bold] :smile:" in out


def test_what_changed_is_shortened() -> None:
    """A line of the history has a few names of each kind."""
    changes = {
        "files": {"added": [], "removed": [], "altered": [], "more": 0},
        "zones": {"added": ["a.test"], "removed": [], "altered": [], "more": 0},
        "rules": {"added": [], "removed": ["x"], "altered": list("abcdef"), "more": 900},
    }
    assert format_changes(changes) == "+zones a.test; -rules x; *rules a, b, c, d and 2 more; 900 more rules"
    assert format_changes({}) == "-"
