"""Door: where clients reach graydns, and what they may take there."""

from __future__ import annotations

from attrs import frozen


@frozen
class Door:
    """One socket to listen on. *transport*: udp, tcp or tls. *host*: an address, maybe 0.0.0.0 or ``::``. *port*: 0
    lets the system choose. *tenant*: whose door it is, None = everyone's."""

    transport: str
    host: str
    port: int
    tenant: str | None = None

    def __str__(self) -> str:
        return f"{self.transport}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@frozen
class DoorLimits:
    """What clients may take of the stream doors.

    *max_connections*: of all doors together. *max_per_source*: connections of one /24 or /56. *max_pipelined*:
    queries of one connection in the pipeline. *tcp_idle*: seconds without a complete query, or without taking what
    was written. *tls_handshake*: seconds from the TCP connection to the end of the handshake.
    """

    max_connections: int = 10_000
    max_per_source: int = 100
    max_pipelined: int = 100
    tcp_idle: float = 8.0
    tls_handshake: float = 3.0
