"""The operations of the admin interface, declared once; see ``operation``."""

from __future__ import annotations

from collections.abc import Mapping

from graydns.operations.answers import ANSWER_OPERATIONS
from graydns.operations.operation import Operation
from graydns.operations.policies import POLICY_OPERATIONS
from graydns.operations.server import SERVER_OPERATIONS
from graydns.operations.services import SERVICE_OPERATIONS

#: All of them by name, in the order of docs/admin.md.
OPERATIONS: Mapping[str, Operation] = {
    each.name: each for each in (*SERVER_OPERATIONS, *SERVICE_OPERATIONS, *POLICY_OPERATIONS, *ANSWER_OPERATIONS)
}

#: Help of the commands that other commands stand below, but for ``service`` and ``policy``.
GROUPS: Mapping[str, str] = {
    "audit": "Show who changed what.",
    "cache": "Look into the caches or flush them.",
    "config": "Show the configuration.",
    "dnssec": "Show how answers are validated.",
    "gray": "Switch gray routing off and on.",
    "history": "List the last snapshots or go back to one.",
    "log": "Change the log level.",
    "nta": "Negative trust anchors: names that are treated as unsigned for a while (RFC 7646).",
    "policy high-water": "The highest revision that the server ever accepted.",
}
