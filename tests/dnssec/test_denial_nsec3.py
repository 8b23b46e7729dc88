"""NSEC3: kinds that nobody knows, parameters, and what may be spent."""

from __future__ import annotations

import base64

import pytest
from dns.rdatatype import ANY, DS, A

from graydns.dnssec.budget import Budget, Exceeded, Limits
from graydns.dnssec.denial import CutKind, Denial, Kind
from graydns.dnssec.nsec3 import Parameters, read
from graydns.model.name import from_text as name
from graydns.model.proof import EdeCode
from tests.dnssec.denials import denial, rrset

APEX, GONE = name("example."), name("gone.example.")


def digest(owner: str, iterations: int = 0, salt: str = "-") -> str:
    octets = Parameters(iterations, b"" if salt == "-" else bytes.fromhex(salt)).hash(name(owner))
    return base64.b32hexencode(octets).decode().lower()


def only(
    owner: str, types: str = "NS SOA", *, algorithm: int = 1, flags: int = 0, iterations: int = 0, salt: str = "-"
) -> str:
    """The NSEC3 of the only name of a zone: all others lie between it and itself."""
    hashed = digest(owner, iterations, salt)
    return f"{hashed}.example. NSEC3 {algorithm} {flags} {iterations} {salt} {hashed} {types}"


def covers(line: str, hashed: str) -> bool:
    record = read(APEX, rrset(line))
    assert record is not None
    return record.covers(base64.b32hexdecode(hashed.upper()))


def test_a_zone_of_one_name() -> None:
    one = denial("example.", [only("example.")])
    assert one.nxdomain(GONE).kind is Kind.PROVEN
    assert one.nxdomain(APEX).kind is Kind.UNPROVEN
    assert one.nodata(APEX, A).kind is Kind.PROVEN
    assert one.cut(name("a.gone.example.")).kind is CutKind.NO_NAME


@pytest.mark.parametrize(("algorithm", "flags"), [(2, 0), (0, 0), (1, 2), (1, 3), (1, 128)])
def test_kinds_that_nobody_knows_are_left_out(algorithm: int, flags: int) -> None:
    """RFC 5155 sections 8.1 and 8.2."""
    assert denial("example.", [only("example.", algorithm=algorithm, flags=flags)]).nxdomain(GONE).kind is Kind.UNPROVEN


@pytest.mark.parametrize(
    "owner",
    [
        "{0}.test.",
        "{0}.x.example.",
        "{0}a.example.",
        "x.example.",
        "example.",
        "{0}.",
        "uvwxyz{0}.example.",
        "========.example.",
    ],
)
def test_an_owner_is_a_hash_right_below_the_apex(owner: str) -> None:
    record = rrset(only("example."))._replace(owner=name(owner.format(digest("example."))))
    assert denial("example.", [record]).nxdomain(GONE).kind is Kind.UNPROVEN


def test_rdata_that_nobody_can_read_is_no_record() -> None:
    whole = rrset(only("example.")).rdatas[0]
    for end in range(len(whole)):
        record = rrset(only("example."))._replace(rdatas=(whole[:end],))
        found = denial("example.", [record])
        assert found.nodata(APEX, DS).kind is Kind.UNPROVEN, end
    short = rrset(f"{digest('example.')}.example. NSEC3 1 0 0 - 0p9mhaveqvm6t7vb A")
    assert denial("example.", [short]).nxdomain(GONE).kind is Kind.UNPROVEN


def test_opt_out_proves_nothing_but_that_there_may_be_an_unsigned_delegation() -> None:
    found = denial("example.", [only("example.", flags=1)])
    for outcome in (
        found.nxdomain(GONE),
        found.nodata(GONE, DS),
        found.nodata(GONE, A),  # an empty non-terminal above the delegation
        found.no_closer(GONE, APEX),
    ):
        assert outcome.kind is Kind.INSECURE
        assert outcome.reason == "gone.example may be or be below an unsigned delegation (opt-out)"
    assert found.cut(GONE).kind is CutKind.INSECURE
    assert found.nodata(APEX, A).kind is Kind.PROVEN
    assert found.nodata(APEX, ANY).kind is Kind.UNPROVEN


def test_an_unsigned_delegation_beside_a_wildcard() -> None:
    """The record that covers it may be the wildcard's, but the wildcard has no say about a name that is there."""
    apex = f"{digest('example.')}.example. NSEC3 1 0 0 - {digest('*.example.')} NS SOA"
    wildcard = f"{digest('*.example.')}.example. NSEC3 1 1 0 - {digest('example.')} CNAME RRSIG"
    delegation = next(each for each in map("d{}.example.".format, range(99)) if covers(wildcard, digest(each)))
    found = denial("example.", [apex, wildcard])
    assert found.nodata(name(delegation), DS).kind is Kind.INSECURE
    assert found.nodata(name(delegation), A).kind is Kind.INSECURE
    assert found.cut(name(delegation)).kind is CutKind.INSECURE
    assert found.nxdomain(name(delegation)).kind is Kind.UNPROVEN


@pytest.mark.parametrize("types", ["NS", "NS DS", "DNAME", "DNAME A"])
@pytest.mark.parametrize("flags", [0, 1])
def test_below_a_delegation_or_dname_the_parent_has_no_say(types: str, flags: int) -> None:
    """RFC 5155 section 8.3: the closest encloser must be a name whose children the zone knows."""
    found = denial("example.", [only("cut.example.", types, flags=flags)])
    below = name("x.cut.example.")
    assert found.nxdomain(below).kind is Kind.UNPROVEN
    assert found.nodata(below, A).kind is Kind.UNPROVEN
    assert found.nodata(below, DS).kind is Kind.UNPROVEN
    assert found.cut(below).kind is CutKind.UNPROVEN


def test_too_many_iterations() -> None:
    """RFC 9276 section 3.2: as if the zone were not signed, and nothing is hashed."""
    budget = Budget(Limits(nsec3_hashes=0))
    found = Denial(APEX, (rrset(only("example.", iterations=151, salt="aabb")),), budget)
    for outcome in (found.nxdomain(GONE), found.nodata(APEX, A), found.no_closer(GONE, APEX)):
        assert (outcome.kind, outcome.ede) == (Kind.INSECURE, EdeCode.ITERATIONS)
        assert outcome.reason == "NSEC3 of example with more than 150 iterations"
    cut = found.cut(GONE)
    assert (cut.kind, cut.ede) == (CutKind.INSECURE, EdeCode.ITERATIONS)
    assert found.seconds() == 0.0
    assert denial("example.", [only("example.", iterations=150, salt="aabb")]).nxdomain(GONE).kind is Kind.PROVEN


def test_a_zone_with_too_many_iterations_says_nothing_about_names_of_others() -> None:
    found = denial("example.", [only("example.", iterations=151)])
    assert found.nxdomain(name("a.test.")).kind is Kind.UNPROVEN
    assert found.cut(APEX).kind is CutKind.UNPROVEN
    assert found.nodata(APEX, DS).kind is Kind.UNPROVEN


def test_other_parameters_are_another_chain() -> None:
    """What a proof needs is not to be had from two chains; and one that is dear does not make a cheap one worthless."""
    plain, salted = only("example."), only("example.", salt="ab")
    assert denial("example.", [salted, plain]).nxdomain(GONE).kind is Kind.PROVEN
    dear = only("example.", iterations=500)
    assert denial("example.", [dear, plain]).nxdomain(GONE).kind is Kind.PROVEN
    # The apex in one chain, the gap in which everything is in another.
    alone = int(digest("example."), 32) + 1
    following = base64.b32hexencode(alone.to_bytes(20)).decode()
    apex = f"{digest('example.')}.example. NSEC3 1 0 0 - {following} NS SOA"
    for salt, kind in {"-": Kind.PROVEN, "ab": Kind.UNPROVEN}.items():
        found = denial("example.", [apex, only("other.example.", salt=salt)])
        assert found.nodata(APEX, A).kind is Kind.PROVEN
        assert found.nxdomain(GONE).kind is kind


def test_nsec_is_enough_where_there_is_nsec3_too() -> None:
    nsec = "example. NSEC example. NS SOA RRSIG NSEC"
    assert denial("example.", [only("example.", iterations=500), nsec]).nxdomain(GONE).kind is Kind.PROVEN
    assert denial("example.", [only("example.", flags=1), nsec]).nxdomain(GONE).kind is Kind.PROVEN
    assert denial("example.", [only("example."), "a.example. NSEC b.example. A"]).nxdomain(GONE).kind is Kind.PROVEN


def test_names_are_hashed_once() -> None:
    """gone.example, example and *.example make three hashes, whatever is asked about them."""
    found = denial("example.", [only("example.")], Limits(nsec3_hashes=3))
    for _ in range(3):
        assert found.nxdomain(GONE).kind is Kind.PROVEN
        assert found.nodata(GONE, A).kind is Kind.UNPROVEN
        assert found.cut(GONE).kind is CutKind.NO_NAME


def test_a_flood_ends_with_the_budget() -> None:
    """CVE-2023-50868: a name of many labels, of which none is matched before the last."""
    deep = name("a." * 100 + "example.")
    found = denial("example.", [only("example.", iterations=150, salt="ab" * 255)])
    with pytest.raises(Exceeded):
        found.nxdomain(deep)
    assert denial("example.", [only("example.")], Limits(nsec3_hashes=200)).nxdomain(deep).kind is Kind.PROVEN


def test_the_budget_is_that_of_an_answer() -> None:
    """Two zones of one answer share it."""
    budget = Budget(Limits(nsec3_hashes=5))
    records = (rrset(only("example.")),)
    assert Denial(APEX, records, budget).nxdomain(GONE).kind is Kind.PROVEN
    with pytest.raises(Exceeded):
        Denial(APEX, records, budget).nxdomain(GONE)


def test_seconds_grow_with_iterations_salt_and_limit() -> None:
    def seconds(iterations: int, salt: str, hashes: int) -> float:
        return denial(
            "example.", [only("example.", iterations=iterations, salt=salt)], Limits(nsec3_hashes=hashes)
        ).seconds()

    assert 0 < seconds(0, "-", 64) < seconds(100, "-", 64) < seconds(100, "ab" * 255, 64)
    assert seconds(100, "-", 64) == pytest.approx(64 * seconds(100, "-", 1))
