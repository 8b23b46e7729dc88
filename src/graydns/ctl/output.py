"""What graydnsctl prints: text that came from files or the network cannot steer the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from graydns.model.text import printable


def say(text: str) -> None:
    """Print a line for people."""
    click.echo(printable(text))


def complain(text: str) -> None:
    """Print a line about something wrong, to standard error."""
    click.echo(printable(text), err=True)


def emit(value: Mapping[str, object]) -> None:
    """Print *value* for programs: one JSON object, ASCII only."""
    click.echo(json.dumps(value))
