"""Quick: loads the reactor without OpenSSL, a quarter of the time that a command takes and no use on a unix socket."""

from __future__ import annotations

import sys


def load_reactor() -> None:
    """Load the reactor, once; TLS can still be loaded later, and works over connections that the reactor makes."""
    if "twisted.internet.tcp" in sys.modules or "OpenSSL" in sys.modules:
        return
    # What None marks as missing is an ImportError, which Twisted takes for "not installed".
    sys.modules["OpenSSL"] = None  # type: ignore[assignment]
    try:
        import twisted.internet.reactor  # noqa: F401
    finally:
        del sys.modules["OpenSSL"]
