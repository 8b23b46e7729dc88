"""Where graydns means to differ from Unbound 1.17, and why; docs/dnssec.md tells users."""

from __future__ import annotations

from tests.dnssec.world.agreement import Difference

DIFFERENCES: tuple[Difference, ...] = ()
