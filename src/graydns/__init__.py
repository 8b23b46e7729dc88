"""graydns: a DNS server that decides, per client, which version of a service answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graydns.resolve.twisted_names import PipelineResolver


def resolver(path: str | Path, *, reactor: Any = None) -> PipelineResolver:
    """The server that the main configuration file at *path* describes, as an IResolver of Twisted (docs/twisted.md).

    The files are read once. *reactor*: None = the running one. Raises ConfigError, also for a file with ``consul``.
    """
    from graydns.assembly import make_pipeline_resolver

    if reactor is None:
        from twisted.internet import reactor
    return make_pipeline_resolver(Path(path), reactor)
