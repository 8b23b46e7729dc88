"""graydnsctl as a program."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.model.text import printable


@pytest.mark.integration
def test_starts_without_the_server() -> None:
    """Starting the tool imports nothing of the server, and nothing that takes long."""
    code = (
        "import sys, graydns.ctl.main\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('twisted', 'dns', 'yaml', 'rich', 'prompt_toolkit')])\n"
        "print(sorted(m for m in sys.modules if m.startswith('graydns.') and not m.startswith('graydns.ctl')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    models = ["graydns.model", *(f"graydns.model.{part}" for part in ("errors", "text", "transport", "users"))]
    assert run.stdout.splitlines() == ["[]", str(models)]


@given(st.text())
def test_printable(text: str) -> None:
    """Whatever the text, one line of printable characters comes out; printable text is left alone."""
    assert printable(text).isprintable()
    assert printable("größe 10 %") == "größe 10 %"
