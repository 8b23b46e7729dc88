"""What a start prints: where graydns listens, what it serves, and three commands to try."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graydns.listen.door import Door
from graydns.model.name import to_text
from graydns.snapshot.snapshot import Snapshot

_COMMANDS = """
Try, in another terminal:
  dig @{host} -p {port} {name}
  dig @{host} -p {port} {name} +subnet=10.1.2.0/24
  dig @{host} -p {port} {name} +ednsopt=65001:{tag}
"""

#: The client the demo's whitelist knows.
_TAG = b"client=qa-laptop".hex()


def welcome(snapshot: Snapshot, listening: Sequence[Door], notes: Iterable[str]) -> str:
    """The text for a server that answers at *listening*; *notes*: warnings."""
    lines = [f"graydns: {note}" for note in notes]
    lines.append("graydns answers at " + " ".join(str(door) for door in listening))
    zones = sorted(to_text(zone.origin) for zone in snapshot.zones)
    lines.append("zones: " + (", ".join(zones[:10]) + (" …" if len(zones) > 10 else "") if zones else "none"))
    services = [name for zone in snapshot.zone_files for name in zone.services]
    door = next((door for door in listening if door.transport == "udp"), None)
    if services and door is not None:
        lines.append(_COMMANDS.format(host=door.host, port=door.port, name=to_text(services[0]), tag=_TAG).strip())
    return "\n".join(lines)
