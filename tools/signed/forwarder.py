"""What a graydns is configured with that stands in front of the hierarchy and validates."""

from __future__ import annotations

from collections.abc import Sequence

from tools.signed.judge import date


def forwarding(upstream: int, anchors: Sequence[str], now: int | None, deadline: str = "2s") -> str:
    """Keys of a graydns.yaml: everything goes to port *upstream* of 127.0.0.1, and is validated from *anchors* as of
    *now* (Unix seconds; None: the time that it is)."""
    fixed = "" if now is None else f"  validation_time: {date(now)}\n"
    listed = "".join(f'    - "{line}"\n' for line in anchors)
    return (
        f'upstreams: {{signed: {{servers: ["udp://127.0.0.1:{upstream}"], deadline: {deadline}}}}}\n'
        'forward: {".": signed}\n'
        f"dnssec:\n  validate: true\n{fixed}  trust_anchors:\n{listed}"
    )
