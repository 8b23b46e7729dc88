"""The section ``dnssec:`` of graydns.yaml: whether and how forwarded answers are validated."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from attrs import evolve, frozen

from graydns.config.address import read_name, read_path
from graydns.config.issues import ValidationIssue, make_validation_error
from graydns.config.scalar import Duration, Integer, read_boolean
from graydns.model.dnssec_values import TrustAnchor, parse_trust_anchor
from graydns.model.name import to_text

#: Numbers of algorithms that can be verified, and those that count unless configured otherwise (RFC 8624, RFC 9905).
SUPPORTED_ALGORITHMS, DEFAULT_ALGORITHMS = (5, 7, 8, 10, 13, 14, 15, 16), (8, 10, 13, 14, 15, 16)

#: A moment as signatures have it (RFC 4034 section 3.2), and one as Unix seconds.
_RRSIG_TIME_FORMAT, _UNIX_SECONDS_PATTERN = "%Y%m%d%H%M%S", re.compile(r"0|[1-9][0-9]{0,9}")

_RFC3339_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def read_trust_anchor(value: object, /) -> TrustAnchor:
    """A DS or DNSKEY record."""
    try:
        return parse_trust_anchor(value if isinstance(value, str) else "")
    except ValueError as error:
        expected = f"a record such as 'test. IN DS 12345 13 2 <digest>' or 'test. IN DNSKEY 257 3 13 <key>' ({error})"
        raise make_validation_error(value, expected) from None


def read_validation_time(value: object, /) -> int:
    """``20261122120000`` (UTC), or Unix seconds, as Unix seconds."""
    if isinstance(value, str):
        if _UNIX_SECONDS_PATTERN.fullmatch(value):
            return int(value)
        if len(value) == 14 and value.isascii() and value.isdecimal():
            try:
                return int(datetime.strptime(value, _RRSIG_TIME_FORMAT).replace(tzinfo=UTC).timestamp())
            except ValueError:
                pass
    raise make_validation_error(value, "a moment such as 20261122120000 (UTC), or Unix seconds")


def read_expiry(value: object, /) -> int:
    """``2026-12-01T00:00:00Z`` as Unix seconds."""
    if isinstance(value, str) and _RFC3339_PATTERN.fullmatch(value):
        try:
            return int(datetime.fromisoformat(value).timestamp())
        except ValueError:
            pass
    raise make_validation_error(value, "a moment such as 2026-12-01T00:00:00Z")


def read_algorithm(value: object, /) -> int:
    """The number of a signature algorithm."""
    if isinstance(value, str) and value in map(str, SUPPORTED_ALGORITHMS):
        return int(value)
    raise make_validation_error(value, f"one of {', '.join(map(str, SUPPORTED_ALGORITHMS))}")


@frozen
class NegativeTrustAnchor:
    """*name* and all below it count as unsigned (RFC 7646) *until* a moment (Unix seconds), None = always."""

    name: Annotated[bytes, read_name]
    until: Annotated[int, read_expiry] | None = None


@frozen
class DnssecLimitSettings:
    """How much work one answer may cause: see ``dnssec.budget``."""

    signatures: Annotated[int, Integer(1, 1000)] = 16
    same_tag_keys: Annotated[int, Integer(1, 100)] = 4
    nsec3_hashes: Annotated[int, Integer(1, 10_000)] = 64
    queries: Annotated[int, Integer(1, 1000)] = 32


@frozen(kw_only=True)
class DnssecSettings:
    """*trust_anchors*, *trust_anchor_file*: both together; without either those of the root count. *validation_time*:
    Unix seconds at which signatures are looked at, None = now. *skew*: seconds that a signer's clock may be wrong by.
    """

    validate: Annotated[bool, read_boolean] = False
    trust_anchors: tuple[Annotated[TrustAnchor, read_trust_anchor], ...] = ()
    trust_anchor_file: Annotated[Path, read_path] | None = None
    negative_trust_anchors: tuple[NegativeTrustAnchor, ...] = ()
    algorithms: tuple[Annotated[int, read_algorithm], ...] = DEFAULT_ALGORITHMS
    skew: Annotated[float, Duration("0s", "1d")] = 0.0
    validation_time: Annotated[int, read_validation_time] | None = None
    limits: DnssecLimitSettings = DnssecLimitSettings()

    def resolve_paths(self, folder: Path) -> DnssecSettings:
        """The same with a path that is not absolute taken from *folder*."""
        return evolve(self, trust_anchor_file=self.trust_anchor_file and folder / self.trust_anchor_file)


def check_dnssec(dnssec: DnssecSettings, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """What the keys of the section say about each other."""
    if not dnssec.algorithms and "algorithms" not in broken:
        yield ValidationIssue(("algorithms",), "an empty list", "at least one algorithm")
    seen: set[bytes] = set()
    for index, negative in enumerate(dnssec.negative_trust_anchors):
        if negative.name in seen:
            yield ValidationIssue(
                ("negative_trust_anchors", index, "name"), f"{to_text(negative.name)} again", "each name once"
            )
        seen.add(negative.name)
