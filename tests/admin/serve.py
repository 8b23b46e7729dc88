"""The admin interface of a tiny server as a process, for graydnsctl: ``python -m tests.admin.serve SOCKET``."""

from __future__ import annotations

import sys
from pathlib import Path

from graydns.admin.admin_service import AdminService
from graydns.config.address import UnixSocket
from tests.admin.memory import MemoryAudit, MemoryControl
from tests.admin.running import reactor


def main() -> None:
    """Serve until ended."""
    path = Path(sys.argv[1])
    service = AdminService(
        UnixSocket(path), MemoryControl(rules=20), MemoryAudit(), reactor, users=path.parent / "users.json"
    )
    service.startService()
    reactor.run()


if __name__ == "__main__":
    main()
