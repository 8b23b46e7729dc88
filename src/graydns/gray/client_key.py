"""The client key and the keyed hash over it: what makes a share sticky.

A client key is bytes: one byte for its type, then ``family || prefix length || network`` (family 1 = IPv4,
2 = IPv6; network = all 4 or 16 bytes, zero after the prefix) or the identity in UTF-8. Subnet and source have
one type, so that cut alike they are the same client. docs/gray-routing.md publishes test vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

from attrs import field, frozen
from siphash24 import siphash24

from graydns.model.client import Client

#: First byte of a client key.
KEY_TYPE_NONE, KEY_TYPE_ADDRESS, KEY_TYPE_IDENTITY = 0, 1, 2

#: The key of a client that has none of what the service's ``client_key`` lists.
EMPTY_CLIENT_KEY = bytes((KEY_TYPE_NONE,))

#: What a hash is for; each purpose hashes under a key of its own, so that their outcomes are independent.
PURPOSE_COHORT, PURPOSE_ENDPOINT, PURPOSE_MIRROR = "cohort", "endpoint", "mirror"

#: Shares are counted in buckets of a millionth (0.0001 %) of all clients.
BUCKET_COUNT = 1_000_000

#: Bits of a client key's network: of ECS (RFC 7871 section 11.1), and of the sender itself.
DEFAULT_SUBNET_PREFIXES = {"ipv4": 24, "ipv6": 56}
DEFAULT_SOURCE_PREFIXES = {"ipv4": 32, "ipv6": 64}

ReadClientKey = Callable[[Client], bytes]

_UINT64 = (1 << 64) - 1
_IDENTITY_PREFIX = bytes((KEY_TYPE_IDENTITY,))


def derive_hash_key(tenant: str, service: str, salt: str, purpose: str) -> bytes:
    """The 16-byte SipHash key: BLAKE2b-128, personal ``graydns1``, over the parts, each after its u16 length."""
    parts = [part.encode() for part in (tenant, service, salt, purpose)]
    message = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    return blake2b(message, digest_size=16, person=b"graydns1").digest()


def hash64(key: bytes, client_key: bytes) -> int:
    """SipHash-2-4 of *client_key* as an unsigned number (its eight bytes read little-endian, as in the paper)."""
    digest: int = siphash24(client_key, key=key).intdigest()  # signed
    return digest & _UINT64


def bucket(hashed: int) -> int:
    """The bucket (0 to 999,999) of a 64-bit hash."""
    return hashed * BUCKET_COUNT >> 64


def bucket_threshold(first: int) -> int:
    """The smallest 64-bit hash whose bucket is *first* or above."""
    return -(-(first << 64) // BUCKET_COUNT)


@frozen
class ClientKeyRecipe:
    """How a service tells its clients apart.

    *components*: what it is made of, each with the bits of an address that it reads by family; equal for recipes that
    tell clients apart alike. *read*: the client's key. *ecs_scope_v4*, *ecs_scope_v6*: the longest prefix of the client
    subnet that it reads, 0 = none. *reads_address*: whether it may be an address of any kind. *covers_every_client*:
    whether every client has one.
    """

    components: tuple[tuple[str, frozenset[tuple[str, int]]], ...]
    read: ReadClientKey = field(eq=False, repr=False)
    ecs_scope_v4: int
    ecs_scope_v6: int
    reads_address: bool
    covers_every_client: bool


def compile_client_key(sources: Sequence[str], prefix: Mapping[str, int]) -> ClientKeyRecipe:
    """Compile ``client_key`` (*sources*, first present wins) and ``client_prefix`` (*prefix*: bits by family)."""
    used = list(sources[: sources.index("source") + 1] if "source" in sources else sources)
    subnet_bits, source_bits = {**DEFAULT_SUBNET_PREFIXES, **prefix}, {**DEFAULT_SOURCE_PREFIXES, **prefix}
    read: ReadClientKey = _read_nothing
    for source in reversed(used):
        if source == "identity":
            read = _read_identity_or(read)
        elif source == "subnet":
            read = _read_subnet_or(read, subnet_bits)
        else:
            read = _read_source(source_bits)
    reads_subnet = "subnet" in used
    bits: Mapping[str, Mapping[str, int]] = {"subnet": subnet_bits, "source": source_bits}
    return ClientKeyRecipe(
        components=tuple((source, frozenset(bits.get(source, {}).items())) for source in used),
        read=read,
        ecs_scope_v4=subnet_bits["ipv4"] if reads_subnet else 0,
        ecs_scope_v6=subnet_bits["ipv6"] if reads_subnet else 0,
        reads_address=reads_subnet or "source" in used,
        covers_every_client="source" in used,
    )


def _read_nothing(client: Client) -> bytes:
    return EMPTY_CLIENT_KEY


def _read_identity_or(otherwise: ReadClientKey) -> ReadClientKey:
    def read(client: Client) -> bytes:
        identity = client.identity
        return otherwise(client) if identity is None else _IDENTITY_PREFIX + identity.encode()

    return read


def _read_subnet_or(otherwise: ReadClientKey, bits: Mapping[str, int]) -> ReadClientKey:
    cut4, cut6 = _prefix_encoder(4, bits["ipv4"]), _prefix_encoder(16, bits["ipv6"])

    def read(client: Client) -> bytes:
        subnet = client.subnet
        if subnet is None or not subnet.prefix:  # RFC 7871 section 7.1.2: SOURCE 0 asks not to be distinguished
            return otherwise(client)
        address, prefix = subnet
        return cut4(address, prefix) if len(address) == 4 else cut6(address, prefix)

    return read


def _read_source(bits: Mapping[str, int]) -> ReadClientKey:
    cut4, cut6 = _prefix_encoder(4, bits["ipv4"]), _prefix_encoder(16, bits["ipv6"])

    def read(client: Client) -> bytes:
        address = client.source
        return cut4(address, 32) if len(address) == 4 else cut6(address, 128)

    return read


def _prefix_encoder(size: int, bits: int) -> Callable[[bytes, int], bytes]:
    """What makes a key of an address of *size* bytes and its prefix length, cut to at most *bits*."""
    family = 1 if size == 4 else 2
    heads = [bytes((KEY_TYPE_ADDRESS, family, prefix)) for prefix in range(bits + 1)]
    head = heads[bits]
    whole, spare = divmod(bits, 8)
    if spare:
        mask = ~((1 << (8 * size - bits)) - 1)

        def cut(address: bytes, prefix: int) -> bytes:
            if prefix <= bits:
                return heads[prefix] + address
            return head + (int.from_bytes(address, "big") & mask).to_bytes(size, "big")
    else:
        zeros = bytes(size - whole)

        def cut(address: bytes, prefix: int) -> bytes:
            return heads[prefix] + address if prefix <= bits else head + address[:whole] + zeros

    return cut
