"""CPU microseconds to read a signed answer, to verify it with every algorithm, and to trust a zone's keys.

    python benchmarks/micro/signatures.py

Beside every verification stands what OpenSSL takes for it, called with a key, a signature and data that are at hand.
Times are of this process's CPU and the best of several rounds.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import dns.dnssec
import dns.message
import dns.name
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from dns.dnssecalgs import get_algorithm_cls
from dns.dnssecalgs.base import GenericPrivateKey
from dns.dnssecalgs.ecdsa import PublicECDSA
from dns.dnssecalgs.rsa import PrivateRSA, PublicRSA

from graydns.dnssec.key_trust import DsRecord, authenticate_keys
from graydns.dnssec.rrsets import SignedRRset, parse_rrsets
from graydns.dnssec.signature import ValidatorSettings, estimate_rrset_seconds, signed_data, verify_rrset
from graydns.dnssec.work_budget import ValidationLimits, WorkBudget
from graydns.dnssec.zone_keys import DEFAULT_ALGORITHMS, ZoneKey, ZoneKeySet, format_algorithm, select_usable_keys
from graydns.model.name import from_text

ROUNDS = 9

NOW = 1_700_000_000
ZONE = "shop.test."
SETTINGS, LIMITS = ValidatorSettings(), ValidationLimits()

ANSWERS = {
    "A": ("api.shop.test.", "A", ["192.0.2.1"]),
    "8 A": ("api.shop.test.", "A", [f"192.0.2.{number}" for number in range(1, 9)]),
    "CNAME": ("www.shop.test.", "CNAME", ["api.shop.test."]),
    "MX": ("shop.test.", "MX", ["10 mail.shop.test."]),
    "SOA": ("shop.test.", "SOA", ["ns.shop.test. admin.shop.test. 1 2 3 4 5"]),
    "NSEC": ("api.shop.test.", "NSEC", ["www.shop.test. A AAAA RRSIG NSEC"]),
}


class Signed:
    """A SignedRRset with its RRSIG, as a server sends it."""

    def __init__(self, private: GenericPrivateKey, owner: str, rdtype: str, rdatas: Sequence[str]) -> None:
        self.dnskey = private.public_key().to_dnskey(flags=257)
        rrset = dns.rrset.from_text(owner, 300, "IN", rdtype, *rdatas)
        self._answer(rrset, private)

    def _answer(self, rrset: dns.rrset.RRset, private: GenericPrivateKey) -> None:
        signature = dns.dnssec.sign(
            rrset, private, dns.name.from_text(ZONE), self.dnskey, inception=NOW - 60, expiration=NOW + 86400
        )
        message = dns.message.make_response(dns.message.make_query(rrset.name, rrset.rdtype))
        message.answer = [rrset, dns.rrset.from_rdata(rrset.name, 300, signature)]
        self.qname = from_text(rrset.name.to_text())
        self.size = len(self.qname) + 4
        self.body, self.counts = message.to_wire()[12 + self.size :], (len(rrset) + 1, 0, 0)

    def parse_rrsets(self) -> SignedRRset:
        """What is measured first."""
        return parse_rrsets(self.qname, self.size, self.body, self.counts)[0]


class SignedKeys(Signed):
    """The DNSKEY RRset of a zone with two keys."""

    def __init__(self, private: GenericPrivateKey, other: GenericPrivateKey) -> None:
        self.dnskey = private.public_key().to_dnskey(flags=257)
        rrset = dns.rrset.from_rdata(ZONE, 300, self.dnskey, other.public_key().to_dnskey(flags=256))
        self._answer(rrset, private)


def per_call(work: Callable[[], object]) -> float:
    """Microseconds of CPU, the best of several rounds."""
    work()
    count, best = 1, float("inf")
    while (spent := _spent(work, count)) < 0.02:
        count *= 2
    for _ in range(ROUNDS):
        best = min(best, spent / count)
        spent = _spent(work, count)
    return best * 1e6


def _spent(work: Callable[[], object], count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        work()
    return time.process_time() - started


def bare(key: ZoneKey, octets: bytes, data: bytes) -> Callable[[], object]:
    """One verification, with nothing around it."""
    loaded: Any = get_algorithm_cls(key.algorithm).public_cls.from_dnskey(key.dnskey())
    public = loaded.key
    if isinstance(loaded, PublicECDSA):
        half = len(octets) // 2
        encoded = utils.encode_dss_signature(int.from_bytes(octets[:half]), int.from_bytes(octets[half:]))
        method = ec.ECDSA(loaded.chosen_hash)
        return lambda: public.verify(encoded, data, method)
    if isinstance(loaded, PublicRSA):
        scheme = padding.PKCS1v15()
        return lambda: public.verify(octets, data, scheme, loaded.chosen_hash)
    return lambda: public.verify(octets, data)


def private_key(algorithm: int, bits: int = 2048) -> GenericPrivateKey:
    """A new one."""
    made: Any = get_algorithm_cls(algorithm)
    key: GenericPrivateKey = made.generate(bits) if issubclass(made, PrivateRSA) else made.generate()
    return key


def show(label: str, value: float, beside: str = "") -> None:
    """One line of the report."""
    print(f"{label:<44} {value:8.2f} µs{beside}", flush=True)


def verifying(rrset: SignedRRset, keys: ZoneKeySet) -> object:
    """As the validator does, with a WorkBudget of its own."""
    return verify_rrset(rrset, keys, NOW, WorkBudget(LIMITS), SETTINGS)


def trusting(zone: bytes, ds: Sequence[DsRecord], rrset: SignedRRset) -> object:
    """As the validator does, with a WorkBudget of its own."""
    return authenticate_keys(zone, ds, rrset, NOW, WorkBudget(LIMITS), SETTINGS)


def measure_reading() -> None:
    """Bodies with one SignedRRset and its signature."""
    private = private_key(13)
    for label, (owner, rdtype, rdatas) in ANSWERS.items():
        show(f"read {label} and RRSIG", per_call(Signed(private, owner, rdtype, rdatas).parse_rrsets))


def measure_verifying() -> None:
    """One signature of an A record by every algorithm, and the estimate that decides where it is verified."""
    for algorithm in sorted(DEFAULT_ALGORITHMS):
        for bits in (1024, 2048, 4096) if algorithm in (8, 10) else (0,):
            private = private_key(algorithm, bits)
            signed = Signed(private, *ANSWERS["A"])
            rrset, key = signed.parse_rrsets(), ZoneKey(signed.dnskey.to_wire() or b"")
            keys = ZoneKeySet.from_keys(from_text(ZONE), [key])
            spent = per_call(partial(verifying, rrset, keys))
            signature = rrset.signatures[0]
            alone = per_call(bare(key, signature.octets, signed_data(rrset, signature, None)))
            estimate = estimate_rrset_seconds(rrset, keys) * 1e6
            size = f", {bits} bits" if bits else ""
            show(
                f"verify {format_algorithm(algorithm)}{size}",
                spent,
                f", OpenSSL {alone:8.2f}, estimated {estimate:8.2f}",
            )


def measure_largest_exponent() -> None:
    """The most expensive RSA key that counts; the signature is invalid, because there is no private key."""
    modulus = private_key(8, 4096).public_key().key.public_numbers().n  # type: ignore[attr-defined]
    key = ZoneKey(b"\1\1\3\x08\4" + (2**32 - 1).to_bytes(4) + modulus.to_bytes(512))
    show("refuse 8, 4096 bits, exponent 2³²-1", per_call(lambda: key.verifies(b"\x7f" * 512, b"")), estimated(key))


def estimated(key: ZoneKey) -> str:
    """For the end of a line."""
    return f", estimated {key.verification_seconds * 1e6:8.2f}"


def measure_trusting() -> None:
    """The DNSKEY RRset of a zone with two keys, its keys loaded each time."""
    for algorithm in (8, 13):
        signed = SignedKeys(private_key(algorithm), private_key(algorithm))
        rrset, zone = signed.parse_rrsets(), from_text(ZONE)
        ds = [DsRecord.from_dnskey(zone, signed.dnskey.to_wire() or b"")]
        show(f"trust the keys of a zone, {format_algorithm(algorithm)}", per_call(partial(trusting, zone, ds, rrset)))
        show("  of that, find them", per_call(partial(select_usable_keys, rrset.rdatas, DEFAULT_ALGORITHMS)))


def main() -> None:
    """Measure and print."""
    gc.disable()  # as the server does while it serves
    measure_reading()
    measure_verifying()
    measure_largest_exponent()
    measure_trusting()


if __name__ == "__main__":
    main()
