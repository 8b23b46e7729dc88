"""The project's own programs, of the environment that this one runs in."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(sys.executable).parent

#: twistd in the foreground, without a pid file.
TWISTD = (str(_HERE / "twistd"), "--nodaemon", "--pidfile=")

GRAYDNSCTL = str(_HERE / "graydnsctl")
