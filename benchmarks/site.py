"""The made-up site that every server serves: one plain zone, one zone of gray services, one zone behind the upstream.

Addresses follow from names, so that answers can be checked without other data.
"""

from __future__ import annotations

from pathlib import Path

PLAIN, GRAY, MISS, SIGNED = "plain.test", "gray.test", "miss.test", "signed.test"
HOSTS, SERVICES = 1000, 100

#: Clients in it get the canary of every service.
WHITELISTED = (10, 1)

#: A client identity that gets the canary of every service.
TESTER = "bench-tester"

CANARY_PERCENT = 10

#: What the upstream answers for every name below MISS, and for each of SIGNED_HOSTS names below SIGNED.
MISS_ADDRESS = "192.0.2.77"
SIGNED_HOSTS = 60_000

#: The first octet of the networks that address rules name, one /24 a rule.
_RULES_FROM = 20

_HEAD = """\
$ORIGIN {zone}.
$TTL 3600
@ SOA ns hostmaster 1 3600 900 604800 300
@ NS ns
ns A 192.0.2.1
"""


def host(number: int) -> str:
    return f"h{number:04d}.{PLAIN}"


def host_addresses(number: int) -> tuple[str, str]:
    """The A and the AAAA of a host in the plain zone."""
    return f"198.18.{number >> 8}.{number & 255}", f"2001:db8::{number:x}"


def signed_host(number: int) -> str:
    return f"n{number:05d}.{SIGNED}"


def service(number: int) -> str:
    return f"s{number:03d}.{GRAY}"


def version_addresses(number: int, version: str) -> tuple[str, str]:
    """The A and the AAAA of a service's version."""
    side = {"stable": 1, "canary": 2}[version]
    return f"198.19.{side}.{number}", f"2001:db8:{side}::{number:x}"


def rule_subnet(number: int) -> tuple[int, int, int]:
    """The /24 that the gray zone's rule *number* is about."""
    return _RULES_FROM + (number >> 16), number >> 8 & 255, number & 255


def write_signed_zone(folder: Path) -> Path:
    """The file of the zone that the upstream signs."""
    hosts = (f"{signed_host(number)}. A {MISS_ADDRESS}\n" for number in range(SIGNED_HOSTS))
    (folder / f"{SIGNED}.zone").write_text(_HEAD.format(zone=SIGNED) + "".join(hosts))
    return folder / f"{SIGNED}.zone"


def write_zones(folder: Path) -> dict[str, Path]:
    """Zone files in *folder*, by zone name; the gray zone's has no services in it."""
    hosts = "".join(
        f"{host(number)}. A {ipv4}\n{host(number)}. AAAA {ipv6}\n"
        for number in range(HOSTS)
        for ipv4, ipv6 in [host_addresses(number)]
    )
    contents = {PLAIN: hosts, MISS: f"* A {MISS_ADDRESS}\n", GRAY: ""}
    for zone, body in contents.items():
        (folder / f"{zone}.zone").write_text(_HEAD.format(zone=zone) + body)
    return {zone: folder / f"{zone}.zone" for zone in contents}
