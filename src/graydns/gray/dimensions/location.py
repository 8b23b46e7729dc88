"""Where a client's address is, by the geo database."""

from __future__ import annotations

from graydns.gray.dimensions.dimension import (
    Dimension,
    ExplainedQuery,
    Reads,
    are_compatible,
    equals,
    format_mismatch,
)
from graydns.gray.geo import fold_city

_NO_DATABASE = "there is no geo database"


def _explain_country(code: str, seen: ExplainedQuery) -> str | None:
    return _explain("country", seen.facts.location.country, code, seen)


def _explain_city(name: str, seen: ExplainedQuery) -> str | None:
    return _explain("city", seen.facts.location.city, name, seen)


def _explain(key: str, found: str | None, wanted: str, seen: ExplainedQuery) -> str | None:
    if seen.geo is None:
        return _NO_DATABASE
    return None if found == wanted else format_mismatch(key, found, wanted)


def _explain_subdivision(code: str, seen: ExplainedQuery) -> str | None:
    found = seen.facts.location.subdivisions
    return _explain("subdivision", code if code in found else " ".join(found) or None, code, seen)


#: ISO 3166-1 alpha-2.
COUNTRY = Dimension[str](
    key="country",
    parse=lambda text, issues: text.upper(),
    reads=Reads.LOCATION,
    rank=lambda code: 1,
    tests=equals("country", lambda client, facts: facts.location.country),
    mismatch=_explain_country,
    overlap_key=lambda code: None,
    may_overlap=are_compatible,
)

#: ISO 3166-2 (``CN-BJ``). An address is in several: there are up to two levels.
SUBDIVISION = Dimension[str](
    key="subdivision",
    parse=lambda text, issues: text.upper(),
    reads=Reads.LOCATION,
    rank=lambda code: 2,
    read_many=lambda facts: facts.location.subdivisions,
    mismatch=_explain_subdivision,
    overlap_key=lambda code: None,
    may_overlap=are_compatible,
)

#: The English name in GeoNames, without regard to case.
CITY = Dimension[str](
    key="city",
    parse=lambda text, issues: fold_city(text),
    reads=Reads.LOCATION,
    rank=lambda name: 3,
    tests=equals("city", lambda client, facts: facts.location.city),
    mismatch=_explain_city,
)
