"""Hierarchy: a root, its top-level zones, and below them a zone for each way to be signed, well or badly."""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterable, Sequence

from dns.name import from_text, root
from dns.rdtypes.ANY.RRSIG import RRSIG

from tools.signed import spec
from tools.signed.keys import REVOKE, SEP, UNKNOWN, ZONE
from tools.signed.spec import Digests, Nsec3, Spec, Use, Window, ksk, zsk
from tools.signed.zone import UNKNOWN_DIGEST, Zone, changed

#: Noon of 2026-11-22, in Unix seconds: what to sign for where the clock can be set.
NOW = calendar.timegm((2026, 11, 22, 12, 0, 0))

#: The zone that the aliases of all others lead to, and the one that its own lead to.
TARGET, TARGETS_TARGET = "p256.test.", "salted.test."

UNSIGNED: tuple[Use, ...] = ()
OPT_OUT = Nsec3(opt_out=True)


def _altered(signature: RRSIG) -> RRSIG:
    octets = bytearray(signature.signature)
    octets[len(octets) // 2] ^= 1
    return changed(signature, signature=bytes(octets))


#: Algorithms, one or several, keys that are not used, and denials: all of it right.
GOOD = (
    Spec("p256.test.", (ksk(), zsk())),
    Spec("p384.test.", (Use(14),), Nsec3()),
    Spec("rsasha256.test.", (ksk(8), zsk(8)), Nsec3()),
    Spec("rsasha512.test.", (Use(10),)),
    Spec("ed25519.test.", (Use(15),), Nsec3()),
    Spec("ed448.test.", (Use(16),)),
    Spec("both.test.", (Use(8), Use(13))),
    Spec("mixed.test.", (Use(13), Use(UNKNOWN, keys=False, data=False))),
    Spec("standby.test.", (Use(), Use(name="b", delegated=False, keys=False, data=False))),
    Spec("next-ds.test.", (Use(), Use(name="b", published=False, keys=False, data=False))),
    Spec("no-sep.test.", (Use(flags=ZONE),)),
    Spec("sha384.test.", digests=Digests((4,))),
    Spec("sha1-and-sha256.test.", digests=Digests((1, 2))),
    Spec("wrong-sha1.test.", digests=Digests((1, 2), frozenset({1}))),
    Spec("and-unknown-digest.test.", digests=Digests((2, UNKNOWN_DIGEST))),
    Spec("nsec3.test.", denial=Nsec3()),
    Spec("salted.test.", (ksk(), zsk()), Nsec3(5, b"\xab\xcd")),
    Spec("optout.test.", denial=OPT_OUT),
    Spec("optout-salted.test.", denial=Nsec3(1, b"\x01", opt_out=True)),
    Spec("iterations-150.test.", denial=Nsec3(150)),
    Spec("iterations-151.test.", denial=Nsec3(151)),
    Spec("x.y.deep.test."),
    Spec("x.y.deep.optout.test.", denial=OPT_OUT),
)

#: Resolvers differ, or may: RFC 9905 for SHA-1 signatures, RFC 4509 for digests.
OLD = (
    Spec("rsasha1.test.", (Use(5),)),
    Spec("nsec3rsasha1.test.", (Use(7),), Nsec3()),
    Spec("sha1-digest.test.", digests=Digests((1,))),
)

#: Signed, but insecure for a validator: unknown algorithms or digests, or no DS.
INSECURE = (
    Spec("unknown-algorithm.test.", (Use(UNKNOWN),)),
    Spec("unknown-digest.test.", digests=Digests((UNKNOWN_DIGEST,))),
    Spec("no-ds.test.", (Use(delegated=False),)),
    Spec("no-ds.optout.test.", (Use(delegated=False),)),
    Spec("unsigned.optout.test.", UNSIGNED),
    Spec("unsigned.salted.test.", UNSIGNED),
)

#: Signed wrongly.
BAD = (
    Spec("expired.test.", data_window=spec.EXPIRED),
    Spec("expired3.test.", denial=Nsec3(), data_window=spec.EXPIRED),
    Spec("early.test.", data_window=spec.EARLY),
    Spec("early3.test.", denial=Nsec3(), data_window=spec.EARLY),
    Spec("expired-keys.test.", keys_window=spec.EXPIRED),
    Spec("early-keys.test.", keys_window=spec.EARLY),
    Spec("backwards.test.", data_window=Window(7 * spec.DAY, -7 * spec.DAY)),
    Spec("altered.test.", tamper=_altered),
    Spec("altered3.test.", denial=OPT_OUT, tamper=_altered),
    Spec("wrong-key.test.", (ksk(), zsk(published=False))),
    Spec("wrong-key3.test.", (ksk(), zsk(published=False)), Nsec3()),
    Spec("wrong-tag.test.", tamper=lambda each: changed(each, key_tag=each.key_tag ^ 1)),
    Spec("wrong-signer.test.", tamper=lambda each: changed(each, signer=from_text("test."))),
    Spec("wrong-labels.test.", tamper=lambda each: changed(each, labels=each.labels + 1)),
    Spec("fewer-labels.test.", tamper=lambda each: changed(each, labels=max(each.labels - 1, 2))),
    Spec("wrong-algorithm.test.", tamper=lambda each: changed(each, algorithm=14)),
    Spec("wrong-original-ttl.test.", tamper=lambda each: changed(each, original_ttl=each.original_ttl + 1)),
    Spec("wrong-ds.test.", digests=Digests((2,), frozenset({2}))),
    Spec("right-sha1.test.", digests=Digests((1, 2), frozenset({2}))),
    Spec("no-key-for-ds.test.", (Use(published=False, keys=False, data=False), Use(name="b", delegated=False))),
    Spec("unsigned-keys.test.", (Use(keys=False),)),
    Spec("unsigned-data.test.", (Use(data=False),)),
    Spec("no-zone-flag.test.", (Use(flags=SEP),)),
    Spec("revoked.test.", (Use(flags=ZONE | SEP | REVOKE),)),
    Spec("protocol.test.", (Use(protocol=4),)),
    Spec("ds-but-no-keys.test.", (Use(published=False, keys=False, data=False),)),
)

#: More to verify than anybody should (CVE-2023-50387).
TRAPS = (Spec("keytrap.test.", (ksk(8), zsk(8)), forged=60),)

#: Not delegated securely; with a trust anchor of its own or without.
ISLANDS = (
    Spec("island.plain.", (Use(delegated=False),), Nsec3(), anchored="DS"),
    Spec("lost.plain.", (Use(delegated=False),)),
)

#: What everything else hangs from.
TOPS = (
    Spec(".", (ksk(), zsk()), anchored="DS"),
    Spec("test.", (ksk(), zsk())),
    Spec("opt.", denial=OPT_OUT),
    Spec("plain.opt.", UNSIGNED),
    Spec("signed.opt."),
    Spec("bad.opt.", tamper=_altered),
    Spec("plain.", UNSIGNED),
    Spec("sub.plain.", UNSIGNED),
    Spec("corp.", (Use(delegated=False),), anchored="DNSKEY"),
)


#: Zones that have delegations of the usual kinds.
PARENTS = ("p256.test.", "nsec3.test.", "salted.test.", "optout.test.", "iterations-151.test.", "rsasha1.test.")


def _with_cuts(zones: Iterable[Spec]) -> list[Spec]:
    """*zones*, and below each of PARENTS a signed zone, an unsigned one, and an unsigned one below that."""
    made = list(zones)
    for zone in [each for each in made if each.name in PARENTS]:
        made += [Spec(f"{label}.{zone.name}", UNSIGNED) for label in ("cut", "sub.cut")]
        made.append(Spec(f"kid.{zone.name}", denial=zone.denial))
    return made


#: All of it.
SPECS = (*TOPS, *_with_cuts((*GOOD, *OLD)), *INSECURE, *BAD, *TRAPS, *ISLANDS)


def specs_of(*names: str) -> list[Spec]:
    """Those zones, and the two that are above most. Raises KeyError for one that is not there."""
    known = {each.name: each for each in SPECS}
    return [known[name] for name in dict.fromkeys((".", "test.", *names))]


def build(specs: Sequence[Spec], now: int) -> list[Zone]:
    """The zones of *specs*, signed at *now* (Unix seconds); each is delegated by the closest one above it."""
    names = {from_text(each.name) for each in specs}
    children: dict[object, list[Zone]] = defaultdict(list)
    zones = []
    for each in sorted(specs, key=lambda each: from_text(each.name), reverse=True):
        name = from_text(each.name)
        other = TARGETS_TARGET if each.name == TARGET else TARGET
        zone = Zone(each, now, other, tuple(children[name]))
        zones.append(zone)
        if name != root:
            above = name.parent()
            while above not in names:
                above = above.parent()
            children[above].append(zone)
    return zones


def anchors_of(zones: Iterable[Zone]) -> list[str]:
    """The trust anchors for *zones*, a record a line."""
    return [line for zone in zones for line in zone.anchors()]
