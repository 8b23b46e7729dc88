from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from graydns.listen.connections import RESERVED_OPEN_FILES, fit_connection_limit, raise_open_file_limit


@pytest.mark.integration
def test_the_soft_limit_goes_up_to_the_hard_one() -> None:
    """In a process of its own: what the hard limit allows is in force afterwards, and told."""
    script = (
        "import resource; from graydns.listen.connections import raise_open_file_limit\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "told = raise_open_file_limit()\n"
        "assert told == hard == resource.getrlimit(resource.RLIMIT_NOFILE)[0]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_raising_what_is_raised_changes_nothing() -> None:
    """A second call tells the same."""
    assert raise_open_file_limit() == raise_open_file_limit()


@pytest.mark.parametrize("open_files", [10_000 + RESERVED_OPEN_FILES, 1_000_000, resource.RLIM_INFINITY])
def test_limits_that_fit_stay(open_files: int) -> None:
    """Nothing is scaled and nothing is said."""
    assert fit_connection_limit(10_000, open_files) == (10_000, "")


def test_limits_that_do_not_fit_are_scaled_and_told() -> None:
    """The connections get what is left after the reserve."""
    fitting, text = fit_connection_limit(10_000, 4096)
    assert fitting == 4096 - RESERVED_OPEN_FILES
    assert "limits.max_connections is 3584 instead of 10000" in text
    assert "4096" in text


def test_very_small_limits_are_shared_evenly() -> None:
    """Half of the files are for clients when there are hardly any."""
    assert fit_connection_limit(10_000, 256)[0] == 128
