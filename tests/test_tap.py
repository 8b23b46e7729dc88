"""What the server loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = """
import sys
import graydns.tap
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.integration
def test_no_client_of_consul_where_there_is_none() -> None:
    """Its HTTP client takes megabytes: it is loaded only by a server with a section ``consul``."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60)
    assert "'graydns'" in done.stdout
    for name in ("treq", "txconsul", "consul"):
        assert f"'{name}'" not in done.stdout
