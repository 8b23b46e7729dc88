"""Keys that come out of a seed: the same hierarchy every time, without a key file."""

from __future__ import annotations

import base64
from functools import cache
from random import Random

import dns.dnssec
import dns.rdata
from attrs import frozen
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from dns.dnssectypes import Algorithm
from dns.rdtypes.ANY.DNSKEY import DNSKEY

#: DNSKEY flags (RFC 4034 section 2.1.1, RFC 5011 section 7).
ZONE, SEP, REVOKE = 256, 1, 128

#: An unassigned algorithm number.
UNKNOWN = 100

_CURVES = {13: ec.SECP256R1(), 14: ec.SECP384R1()}
_RSA = (5, 7, 8, 10)

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


@frozen
class Key:
    """A key pair; *private* is None where the algorithm is UNKNOWN."""

    private: Private | None
    dnskey: DNSKEY


def make_key(seed: str, algorithm: int, flags: int = ZONE | SEP, protocol: int = 3) -> Key:
    """The key of *algorithm* that belongs to *seed*. RSA keys have one modulus per 'a' or 'b' that *seed* ends with."""
    if algorithm == UNKNOWN:
        text = f"{flags} {protocol} {UNKNOWN} {base64.b64encode(Random(seed).randbytes(64)).decode()}"
        made = dns.rdata.from_text("IN", "DNSKEY", text)
        assert isinstance(made, DNSKEY)
        return Key(None, made)
    private = _private(seed, algorithm)
    return Key(private, dns.dnssec.make_dnskey(private.public_key(), algorithm, flags, protocol))


def forge_key(seed: str, dnskey: DNSKEY) -> DNSKEY:
    """Another RSA key with the tag of *dnskey*, which has no private key."""
    random, tag = Random(seed), dns.dnssec.key_id(dnskey)
    while True:
        head = dnskey.key[:4] + b"\xc0" + random.randbytes(len(dnskey.key) - 7)
        # The tag is a sum of words with its carry added, so that the last word makes up for the difference.
        word = (tag - dns.dnssec.key_id(_with_key(dnskey, head + bytes(2)))) & 0xFFFF
        forged = _with_key(dnskey, head + word.to_bytes(2, "big"))
        if word & 1 and dns.dnssec.key_id(forged) == tag:
            return forged


def _with_key(dnskey: DNSKEY, key: bytes) -> DNSKEY:
    made = dnskey.replace(key=key)
    assert isinstance(made, DNSKEY)
    return made


def _private(seed: str, algorithm: int) -> Private:
    if algorithm in _RSA:
        return _rsa(seed[-1:])
    random = Random(f"{seed} {algorithm}")
    if algorithm in _CURVES:
        return ec.derive_private_key(random.getrandbits(250) + 1, _CURVES[algorithm])
    if algorithm == Algorithm.ED25519:
        return ed25519.Ed25519PrivateKey.from_private_bytes(random.randbytes(32))
    return ed448.Ed448PrivateKey.from_private_bytes(random.randbytes(57))


@cache
def _rsa(seed: str) -> rsa.RSAPrivateKey:
    """A 2048-bit key: primes take long to find, so few zones have one of their own."""
    random = Random(f"rsa {seed}")
    p, q, e = _prime(random, 1024), _prime(random, 1024), 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPublicNumbers(e, p * q)
    exponents = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *exponents, numbers).private_key()


def _prime(random: Random, bits: int) -> int:
    """A probable prime with its two highest bits set."""
    while True:
        candidate = random.getrandbits(bits) | 3 << (bits - 2) | 1
        if all(candidate % small for small in _SMALL) and candidate % 65537 != 1 and _passes(candidate, random):
            return candidate


_SMALL = [each for each in range(3, 2000, 2) if all(each % divisor for divisor in range(3, 45, 2) if divisor < each)]


def _passes(candidate: int, random: Random, rounds: int = 8) -> bool:
    """Miller and Rabin's test."""
    odd, twos = candidate - 1, 0
    while not odd & 1:
        odd, twos = odd >> 1, twos + 1
    for _ in range(rounds):
        power = pow(random.randrange(2, candidate - 1), odd, candidate)
        if power in (1, candidate - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % candidate
            if power == candidate - 1:
                break
        else:
            return False
    return True
