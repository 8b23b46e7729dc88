"""Spec: what a zone of the hierarchy is to be like, and what is to be wrong with it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen
from dns.rdtypes.ANY.RRSIG import RRSIG

from tools.signed.keys import SEP, ZONE

DAY = 86400


@frozen
class Use:
    """A key and what it is used for.

    *name*: keys of one zone with different names differ. *published*: it is in the DNSKEY RRset. *delegated*: the
    parent's DS RRset names it. *keys*, *data*: it signs the DNSKEY RRset, everything else.
    """

    algorithm: int = 13
    flags: int = ZONE | SEP
    name: str = "a"
    protocol: int = 3
    published: bool = True
    delegated: bool = True
    keys: bool = True
    data: bool = True


def ksk(algorithm: int = 13, name: str = "a") -> Use:
    """A key that signs keys only."""
    return Use(algorithm, name=name, data=False)


def zsk(algorithm: int = 13, name: str = "b", *, published: bool = True) -> Use:
    """A key that signs everything else."""
    return Use(algorithm, ZONE, name, published=published, delegated=False, keys=False)


@frozen
class Nsec:
    """Denial by NSEC (RFC 4034 section 4)."""


@frozen
class Nsec3:
    """Denial by NSEC3 (RFC 5155)."""

    iterations: int = 0
    salt: bytes = b""
    opt_out: bool = False


@frozen
class Window:
    """When signatures hold: seconds before and after the world's time."""

    inception: int = -7 * DAY
    expiration: int = 14 * DAY


EXPIRED = Window(-30 * DAY, -2 * DAY)
EARLY = Window(2 * DAY, 30 * DAY)


@frozen
class Digests:
    """Which DS records the parent has for each delegated key: by these digest types; *wrong*: those do not match."""

    types: tuple[int, ...] = (2,)
    wrong: frozenset[int] = frozenset()


@frozen
class Spec:
    """A zone.

    *keys*: none makes an unsigned zone. *tamper*: what becomes of each signature over data. *more*: records besides
    the usual ones, in zone-file syntax. *anchored*: resolvers are given its keys as trust anchor, by this record type.
    *forged*: so many keys with the tag of those that sign data, and so many signatures by them on each RRset.
    *is_brief*: it has few of the usual records.
    """

    name: str
    keys: tuple[Use, ...] = (Use(),)
    denial: Nsec | Nsec3 = field(factory=Nsec)
    digests: Digests = field(factory=Digests)
    data_window: Window = field(factory=Window)
    keys_window: Window = field(factory=Window)
    tamper: Callable[[RRSIG], RRSIG] | None = None
    more: str = ""
    anchored: str = ""
    forged: int = 0
    is_brief: bool = False
