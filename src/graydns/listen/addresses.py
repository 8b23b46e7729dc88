"""Addresses: the machine's own, for doors that are to be open on all of them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import ifaddr

WILDCARDS = {"0.0.0.0": 4, "::": 6}


def expand(host: str) -> tuple[str, ...]:
    """The addresses *host* stands for: itself, or for a wildcard every address of that family the machine has now.

    A UDP socket on a wildcard answers from whichever address routing likes; one on the address that was asked
    answers from it. Link-local addresses carry their zone index (RFC 4007 section 11).
    """
    if host not in WILDCARDS:
        return (host,)
    found = (address.ip for adapter in ifaddr.get_adapters() for address in adapter.ips)
    if WILDCARDS[host] == 4:
        return tuple(dict.fromkeys(ip for ip in found if isinstance(ip, str)))
    scoped = ((ip, scope) for ip, _, scope in (ip for ip in found if not isinstance(ip, str)))
    return tuple(dict.fromkeys(f"{ip}%{scope}" if scope else ip for ip, scope in scoped))


def announced(hosts: Iterable[str]) -> tuple[bytes, ...]:
    """The packed addresses at which doors on *hosts* can be told to others: none of one link, and those of the machine
    itself only if there is no other."""
    found = dict.fromkeys(ip_address(address) for host in hosts for address in expand(host))
    wide = [address for address in found if not address.is_link_local]
    return tuple(one.packed for one in [one for one in wide if not one.is_loopback] or wide)
