"""Limits: open files, of which every connection is one."""

from __future__ import annotations

import resource

#: Files kept for everything but clients: logs, zones, listening sockets, upstreams, the admin interface.
RESERVED = 512


def raise_open_files() -> int:
    """Raise the soft limit of open files to the hard one; the limit now in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # some kernels allow no more than fs.nr_open, whatever the hard limit says
            return soft
    return hard


def fit_connections(wanted: int, open_files: int, reserved: int = RESERVED) -> tuple[int, str]:
    """How many of the *wanted* connections *open_files* allow, and a text if that is fewer, else ""."""
    if open_files in (resource.RLIM_INFINITY, 0) or wanted + reserved <= open_files:
        return wanted, ""
    fitting = max(open_files - reserved, open_files // 2)
    if fitting >= wanted:
        return wanted, ""
    return fitting, (
        f"limits.max_connections is {fitting} instead of {wanted}: the limit of open files is {open_files}, "
        f"of which {open_files - fitting} are kept for other things"
    )
