"""graydnsctl as a program."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.model.errors import printable
from tests.ctl.conftest import Server


@pytest.mark.integration
def test_the_tool_starts_without_modules_of_the_server() -> None:
    """And without modules that take long to load."""
    code = (
        "import sys, graydns.ctl.main\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('twisted', 'dns', 'yaml', 'rich', 'prompt_toolkit')])\n"
        "print(sorted(m for m in sys.modules if m.startswith('graydns.') and not m.startswith('graydns.ctl')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    models = ["graydns.model", *(f"graydns.model.{part}" for part in ("errors", "transport", "users"))]
    tables = ("answers", "operation", "policies", "server", "services")
    operations = ["graydns.operations", *(f"graydns.operations.{part}" for part in tables)]
    assert run.stdout.splitlines() == ["[]", str([*models, *operations])]


@given(st.text())
def test_printable_text_is_unchanged(text: str) -> None:
    """Any other text becomes one line of printable characters."""
    assert printable(text).isprintable()
    assert printable("größe 10 %") == "größe 10 %"


def test_a_call_over_the_unix_socket_loads_no_openssl(server: Server) -> None:
    """It takes as long to load as all the rest of a command."""
    code = (
        "import sys\n"
        "from graydns.ctl.cli_context import CliContext\n"
        f"context = CliContext(connect='unix:{server.socket}')\n"
        "print(context.call('whoami')['role'])\n"
        "context.close()\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('OpenSSL', 'cryptography', 'service_identity')])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.splitlines() == ["admin", "[]"]
