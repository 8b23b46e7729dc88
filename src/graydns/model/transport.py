"""Transports: how a DNS message reaches the server or leaves it, as values with properties.

Code asks a transport for a property, never for its name. Names stand where people write or read them: URLs of
``listen:`` and ``upstreams:``, ``transport:`` of a rule, ``--json``, metric labels.
"""

from __future__ import annotations

from attrs import frozen


@frozen(eq=False, repr=False)
class Transport:
    """One transport; there is one object of each, so two are compared by identity.

    *default_port*: where the URL names none. *is_datagram*: every message is a packet of its own: there is no
    connection to count, to keep idle or to lose, the source address can be forged, and a sender is remembered by its
    address alone. *is_encrypted*: needs a certificate, and a client may show one. *pads*: replies are padded
    (RFC 8467). *keeps_alive*: the option edns-tcp-keepalive has a meaning (RFC 7828; it has none over HTTP or QUIC).
    *may_truncate*: the client's payload size limits replies, and TC tells of more (RFC 6891 section 6.2.5).
    """

    name: str
    default_port: int
    is_datagram: bool = False
    is_encrypted: bool = False
    pads: bool = False
    keeps_alive: bool = False
    may_truncate: bool = False

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return parse_transport, (self.name,)

    def format_url(self, host: str, port: int) -> str:
        """``tls://[::1]:853``; *host*: an IP address as text."""
        return f"{self.name}://{f'[{host}]' if ':' in host else host}:{port}"


#: RFC 1035 section 4.2.
UDP = Transport("udp", 53, is_datagram=True, may_truncate=True)
TCP = Transport("tcp", 53, keeps_alive=True)
#: DNS over TLS (RFC 7858).
TLS = Transport("tls", 853, is_encrypted=True, pads=True, keeps_alive=True)

#: All by name. What takes connections of each stands in ``listen.listeners``.
TRANSPORTS: dict[str, Transport] = {transport.name: transport for transport in (UDP, TCP, TLS)}


def parse_transport(name: str) -> Transport:
    """The transport called *name*. Raises ValueError, with the names that there are."""
    try:
        return TRANSPORTS[name]
    except KeyError:
        *names, last = TRANSPORTS
        raise ValueError(f"no transport {name!r}; there are {', '.join(names)} and {last}") from None
