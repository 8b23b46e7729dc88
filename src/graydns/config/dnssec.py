"""The section ``dnssec:`` of graydns.yaml: whether and how forwarded answers are validated."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from attrs import evolve, frozen

from graydns.config.address import read_name, read_path
from graydns.config.misfit import Misfit, misfits
from graydns.config.scalar import Duration, Integer, read_boolean
from graydns.model.dnssec_values import TrustAnchor, parse_trust_anchor
from graydns.model.name import to_text

#: Numbers of algorithms that can be verified, and those that count unless configured otherwise (RFC 8624, RFC 9905).
KNOWN, DEFAULT = (5, 7, 8, 10, 13, 14, 15, 16), (8, 10, 13, 14, 15, 16)

#: A moment as signatures have it (RFC 4034 section 3.2), and one as Unix seconds.
_MOMENT, _EPOCH = "%Y%m%d%H%M%S", re.compile(r"0|[1-9][0-9]{0,9}")

_ZULU = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def read_trust_anchor(value: object, /) -> TrustAnchor:
    """A DS or DNSKEY record."""
    try:
        return parse_trust_anchor(value if isinstance(value, str) else "")
    except ValueError as error:
        expected = f"a record such as 'test. IN DS 12345 13 2 <digest>' or 'test. IN DNSKEY 257 3 13 <key>' ({error})"
        raise misfits(value, expected) from None


def read_moment(value: object, /) -> int:
    """``20261122120000`` (UTC), or Unix seconds, as Unix seconds."""
    if isinstance(value, str):
        if _EPOCH.fullmatch(value):
            return int(value)
        if len(value) == 14 and value.isascii() and value.isdecimal():
            try:
                return int(datetime.strptime(value, _MOMENT).replace(tzinfo=UTC).timestamp())
            except ValueError:
                pass
    raise misfits(value, "a moment such as 20261122120000 (UTC), or Unix seconds")


def read_until(value: object, /) -> int:
    """``2026-12-01T00:00:00Z`` as Unix seconds."""
    if isinstance(value, str) and _ZULU.fullmatch(value):
        try:
            return int(datetime.fromisoformat(value).timestamp())
        except ValueError:
            pass
    raise misfits(value, "a moment such as 2026-12-01T00:00:00Z")


def read_algorithm(value: object, /) -> int:
    """The number of a signature algorithm."""
    if isinstance(value, str) and value in map(str, KNOWN):
        return int(value)
    raise misfits(value, f"one of {', '.join(map(str, KNOWN))}")


@frozen
class NegativeTrustAnchor:
    """*name* and all below it count as unsigned (RFC 7646) *until* a moment (Unix seconds), None = always."""

    name: Annotated[bytes, read_name]
    until: Annotated[int, read_until] | None = None


@frozen
class DnssecLimits:
    """How much work one answer may cause: see ``dnssec.budget``."""

    signatures: Annotated[int, Integer(1, 1000)] = 16
    same_tag_keys: Annotated[int, Integer(1, 100)] = 4
    nsec3_hashes: Annotated[int, Integer(1, 10_000)] = 64
    queries: Annotated[int, Integer(1, 1000)] = 32


@frozen(kw_only=True)
class Dnssec:
    """*trust_anchors*, *trust_anchor_file*: both together; without either those of the root count. *validation_time*:
    Unix seconds at which signatures are looked at, None = now. *skew*: seconds that a signer's clock may be wrong by.
    """

    validate: Annotated[bool, read_boolean] = False
    trust_anchors: tuple[Annotated[TrustAnchor, read_trust_anchor], ...] = ()
    trust_anchor_file: Annotated[Path, read_path] | None = None
    negative_trust_anchors: tuple[NegativeTrustAnchor, ...] = ()
    algorithms: tuple[Annotated[int, read_algorithm], ...] = DEFAULT
    skew: Annotated[float, Duration("0s", "1d")] = 0.0
    validation_time: Annotated[int, read_moment] | None = None
    limits: DnssecLimits = DnssecLimits()

    def anchored(self, folder: Path) -> Dnssec:
        """The same with a path that is not absolute taken from *folder*."""
        return evolve(self, trust_anchor_file=self.trust_anchor_file and folder / self.trust_anchor_file)


def check_dnssec(dnssec: Dnssec, broken: Collection[str]) -> Iterator[Misfit]:
    """What the keys of the section say about each other."""
    if not dnssec.algorithms and "algorithms" not in broken:
        yield Misfit(("algorithms",), "an empty list", "at least one algorithm")
    seen: set[bytes] = set()
    for index, negative in enumerate(dnssec.negative_trust_anchors):
        if negative.name in seen:
            yield Misfit(("negative_trust_anchors", index, "name"), f"{to_text(negative.name)} again", "each name once")
        seen.add(negative.name)
