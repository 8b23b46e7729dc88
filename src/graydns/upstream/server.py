"""Server: one resolver that questions may be sent to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from attrs import Factory, field, frozen

UDP, TCP, TLS = "udp", "tcp", "tls"

#: Port of plain DNS (RFC 1035 section 4.2) and of DNS over TLS (RFC 7858 section 3.1).
PORT, TLS_PORT = 53, 853


@frozen(cache_hash=True)
class Server:
    """Where and how one resolver is asked.

    *transport*: ``udp`` (TCP where an answer does not fit), ``tcp`` or ``tls``. *address*: textual IP address, an IPv6
    one perhaps with a zone (``fe80::1%eth0``). *name*: for ``tls``: whom the certificate must name (RFC 8310), "" = the
    address. *packed*: the address in octets, for logs. Raises ValueError if *address* is none.
    """

    address: str
    port: int = PORT
    transport: str = UDP
    name: str = ""
    packed: bytes = field(
        init=False, repr=False, eq=False, default=Factory(lambda self: canonical(self.address).packed, takes_self=True)
    )

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.transport}://{host}:{self.port}" + (f"#{self.name}" if self.name else "")


def system_servers(resolv_conf: str) -> tuple[Server, ...]:
    """The ``nameserver`` lines of *resolv_conf*; without one the local machine, as resolv.conf(5) has it."""
    addresses = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and _is_address(words[1]):
            addresses.append(words[1])
    return tuple(Server(address) for address in addresses or ["127.0.0.1"])


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def canonical(address: str) -> IPv4Address | IPv6Address:
    """*address* without its zone; an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) as the IPv4 one it means."""
    parsed = ip_address(address.partition("%")[0])
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
