"""The walk from the apex down, beside the rules spelled out label by label."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graydns.authority.zone_data import build_zone, pack_record
from graydns.authority.zone_search import (
    DelegationMatch,
    DnameRedirect,
    ExactMatch,
    LookupResult,
    NameErrorMatch,
    WildcardMatch,
    search_zone,
)
from graydns.model.dns_parameters import DNAME, NS, A
from graydns.model.name import from_text
from graydns.runtime.steps import run_steps
from tests.authority.test_zone_data import APEX, ORIGIN

Labels = tuple[str, ...]

#: Names below the origin, leftmost label first.
names = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4).map(tuple)


def wire(labels: Labels) -> bytes:
    return from_text(".".join((*labels, "zone", "test")))


def expected(records: dict[Labels, int], name: Labels) -> tuple[type[LookupResult], Labels | None]:
    """The place of *name* by RFC 1034 4.3.2, RFC 4592 and RFC 6672, with the owner that decides."""
    exist = {owner[at:] for owner in records for at in range(len(owner) + 1)} | {()}
    for at in range(len(name) - 1, -1, -1):
        owner = name[at:]
        if owner not in exist:
            break
        if records.get(owner) == NS:
            return DelegationMatch, owner
        if records.get(owner) == DNAME and at:
            return DnameRedirect, owner
    if name in exist:
        return ExactMatch, name
    encloser = next(name[at:] for at in range(len(name) + 1) if name[at:] in exist)
    wild = ("*", *encloser)
    return (WildcardMatch, wild) if wild in exist else (NameErrorMatch, None)


@given(st.dictionaries(names, st.sampled_from([A, A, NS, DNAME]), max_size=6), names)
def test_search_follows_the_rules(records: dict[Labels, int], name: Labels) -> None:
    """Every name of every small zone has the place that the RFCs give it."""
    rows = {wire(owner): pack_record(rdtype, 60, b"\1x\0" + bytes(1)) for owner, rdtype in records.items()}
    zone = run_steps(build_zone(ORIGIN, [(ORIGIN, APEX), *rows.items()], count=len(rows)))
    kind, owner = expected(records, name)
    place = search_zone(zone, wire(name))
    assert type(place) is kind
    if isinstance(place, DelegationMatch | DnameRedirect):
        assert owner is not None
        assert place.owner == wire(owner)
    elif isinstance(place, ExactMatch | WildcardMatch):
        assert owner is not None
        assert set(place.node) == ({records[owner]} if owner in records else set())
