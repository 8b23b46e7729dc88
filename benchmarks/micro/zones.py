"""What it takes to remember a zone (NAME_SIZE and KEY_SIZE of ``dnssec/zone_status.py``).

python -m benchmarks.micro.zones
"""

from __future__ import annotations

import os

from dns.dnssecalgs.ecdsa import PrivateECDSAP256SHA256

from benchmarks.usage import resident_bytes
from graydns.dnssec.zone_keys import ZoneKey, ZoneKeySet
from graydns.dnssec.zone_status import ZoneStatus, ZoneStatusCache
from graydns.model.dnssec_values import Security
from graydns.model.name import from_text

ZONES = 4000


def main() -> None:
    """Print octets a zone, without keys and with one that has been used."""
    print(f"no key: {_measured(None):,.0f} octets a name")
    octets = PrivateECDSAP256SHA256.generate().public_key().to_dnskey(flags=257).to_digestable()
    print(f"P-256: {_measured(octets):,.0f} octets a zone with one key")


def _measured(octets: bytes | None) -> float:
    zones, before = ZoneStatusCache(), resident_bytes(os.getpid())
    for number in range(ZONES):
        name = from_text(f"zone{number}.example.test.")
        keys = None if octets is None else ZoneKeySet.from_keys(name, [_used(bytes(bytearray(octets)))])
        zones.store(
            name, ZoneStatus(name, Security.INSECURE if keys is None else Security.SECURE, keys, expires=1e12), 0.0
        )
    return (resident_bytes(os.getpid()) - before) / ZONES


def _used(octets: bytes) -> ZoneKey:
    key = ZoneKey(octets)
    key.verifies(b"", b"")
    return key


if __name__ == "__main__":
    main()
