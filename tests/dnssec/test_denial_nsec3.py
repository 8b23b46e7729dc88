"""NSEC3: kinds that nobody knows, parameters, and what may be spent."""

from __future__ import annotations

import base64

import pytest
from dns.edns import EDECode
from dns.rdatatype import ANY, DS, A

from graydns.dnssec.denial import AuthenticatedDenial, DelegationKind, DenialKind
from graydns.dnssec.nsec3 import Nsec3Parameters, read
from graydns.dnssec.work_budget import ValidationLimits, WorkBudget, WorkLimitExceededError
from graydns.model.name import from_text as name
from tests.dnssec.denials import denial, rrset

APEX, GONE = name("example."), name("gone.example.")


def digest(owner: str, iterations: int = 0, salt: str = "-") -> str:
    octets = Nsec3Parameters(iterations, b"" if salt == "-" else bytes.fromhex(salt)).hash(name(owner))
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
    assert one.prove_nxdomain(GONE).kind is DenialKind.PROVEN
    assert one.prove_nxdomain(APEX).kind is DenialKind.UNPROVEN
    assert one.prove_nodata(APEX, A).kind is DenialKind.PROVEN
    assert one.prove_no_ds(name("a.gone.example.")).kind is DelegationKind.NO_NAME


@pytest.mark.parametrize(("algorithm", "flags"), [(2, 0), (0, 0), (1, 2), (1, 3), (1, 128)])
def test_kinds_that_nobody_knows_are_left_out(algorithm: int, flags: int) -> None:
    """RFC 5155 sections 8.1 and 8.2."""
    assert (
        denial("example.", [only("example.", algorithm=algorithm, flags=flags)]).prove_nxdomain(GONE).kind
        is DenialKind.UNPROVEN
    )


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
    assert denial("example.", [record]).prove_nxdomain(GONE).kind is DenialKind.UNPROVEN


def test_rdata_that_nobody_can_read_is_no_record() -> None:
    whole = rrset(only("example.")).rdatas[0]
    for end in range(len(whole)):
        record = rrset(only("example."))._replace(rdatas=(whole[:end],))
        found = denial("example.", [record])
        assert found.prove_nodata(APEX, DS).kind is DenialKind.UNPROVEN, end
    short = rrset(f"{digest('example.')}.example. NSEC3 1 0 0 - 0p9mhaveqvm6t7vb A")
    assert denial("example.", [short]).prove_nxdomain(GONE).kind is DenialKind.UNPROVEN


def test_opt_out_proves_nothing_but_that_there_may_be_an_unsigned_delegation() -> None:
    found = denial("example.", [only("example.", flags=1)])
    for outcome in (
        found.prove_nxdomain(GONE),
        found.prove_nodata(GONE, DS),
        found.prove_nodata(GONE, A),  # an empty non-terminal above the delegation
        found.prove_no_closer(GONE, APEX),
    ):
        assert outcome.kind is DenialKind.INSECURE
        assert outcome.reason == "gone.example may be or be below an unsigned delegation (opt-out)"
    assert found.prove_no_ds(GONE).kind is DelegationKind.INSECURE
    assert found.prove_nodata(APEX, A).kind is DenialKind.PROVEN
    assert found.prove_nodata(APEX, ANY).kind is DenialKind.UNPROVEN


def test_an_unsigned_delegation_beside_a_wildcard() -> None:
    """The record that covers it may be the wildcard's, but the wildcard has no say about a name that is there."""
    apex = f"{digest('example.')}.example. NSEC3 1 0 0 - {digest('*.example.')} NS SOA"
    wildcard = f"{digest('*.example.')}.example. NSEC3 1 1 0 - {digest('example.')} CNAME RRSIG"
    delegation = next(each for each in map("d{}.example.".format, range(99)) if covers(wildcard, digest(each)))
    found = denial("example.", [apex, wildcard])
    assert found.prove_nodata(name(delegation), DS).kind is DenialKind.INSECURE
    assert found.prove_nodata(name(delegation), A).kind is DenialKind.INSECURE
    assert found.prove_no_ds(name(delegation)).kind is DelegationKind.INSECURE
    assert found.prove_nxdomain(name(delegation)).kind is DenialKind.UNPROVEN


@pytest.mark.parametrize("types", ["NS", "NS DS", "DNAME", "DNAME A"])
@pytest.mark.parametrize("flags", [0, 1])
def test_below_a_delegation_or_dname_the_parent_has_no_say(types: str, flags: int) -> None:
    """RFC 5155 section 8.3: the closest encloser must be a name whose children the zone knows."""
    found = denial("example.", [only("cut.example.", types, flags=flags)])
    below = name("x.cut.example.")
    assert found.prove_nxdomain(below).kind is DenialKind.UNPROVEN
    assert found.prove_nodata(below, A).kind is DenialKind.UNPROVEN
    assert found.prove_nodata(below, DS).kind is DenialKind.UNPROVEN
    assert found.prove_no_ds(below).kind is DelegationKind.UNPROVEN


def test_too_many_iterations() -> None:
    """RFC 9276 section 3.2: as if the zone were not signed, and nothing is hashed."""
    budget = WorkBudget(ValidationLimits(nsec3_hashes=0))
    found = AuthenticatedDenial(APEX, (rrset(only("example.", iterations=151, salt="aabb")),), budget)
    for outcome in (found.prove_nxdomain(GONE), found.prove_nodata(APEX, A), found.prove_no_closer(GONE, APEX)):
        assert (outcome.kind, outcome.ede) == (DenialKind.INSECURE, EDECode.UNSUPPORTED_NSEC3_ITERATIONS_VALUE)
        assert outcome.reason == "NSEC3 of example with more than 150 iterations"
    cut = found.prove_no_ds(GONE)
    assert (cut.kind, cut.ede) == (DelegationKind.INSECURE, EDECode.UNSUPPORTED_NSEC3_ITERATIONS_VALUE)
    assert found.estimate_seconds() == 0.0
    assert (
        denial("example.", [only("example.", iterations=150, salt="aabb")]).prove_nxdomain(GONE).kind
        is DenialKind.PROVEN
    )


def test_a_zone_with_too_many_iterations_says_nothing_about_names_of_others() -> None:
    found = denial("example.", [only("example.", iterations=151)])
    assert found.prove_nxdomain(name("a.test.")).kind is DenialKind.UNPROVEN
    assert found.prove_no_ds(APEX).kind is DelegationKind.UNPROVEN
    assert found.prove_nodata(APEX, DS).kind is DenialKind.UNPROVEN


def test_other_parameters_are_another_chain() -> None:
    """What a proof needs is not to be had from two chains; and one that is dear does not make a cheap one worthless."""
    plain, salted = only("example."), only("example.", salt="ab")
    assert denial("example.", [salted, plain]).prove_nxdomain(GONE).kind is DenialKind.PROVEN
    dear = only("example.", iterations=500)
    assert denial("example.", [dear, plain]).prove_nxdomain(GONE).kind is DenialKind.PROVEN
    # The apex in one chain, the gap in which everything is in another.
    alone = int(digest("example."), 32) + 1
    following = base64.b32hexencode(alone.to_bytes(20)).decode()
    apex = f"{digest('example.')}.example. NSEC3 1 0 0 - {following} NS SOA"
    for salt, kind in {"-": DenialKind.PROVEN, "ab": DenialKind.UNPROVEN}.items():
        found = denial("example.", [apex, only("other.example.", salt=salt)])
        assert found.prove_nodata(APEX, A).kind is DenialKind.PROVEN
        assert found.prove_nxdomain(GONE).kind is kind


def test_nsec_is_enough_where_there_is_nsec3_too() -> None:
    nsec = "example. NSEC example. NS SOA RRSIG NSEC"
    assert denial("example.", [only("example.", iterations=500), nsec]).prove_nxdomain(GONE).kind is DenialKind.PROVEN
    assert denial("example.", [only("example.", flags=1), nsec]).prove_nxdomain(GONE).kind is DenialKind.PROVEN
    assert (
        denial("example.", [only("example."), "a.example. NSEC b.example. A"]).prove_nxdomain(GONE).kind
        is DenialKind.PROVEN
    )


def test_names_are_hashed_once() -> None:
    """gone.example, example and *.example make three hashes, whatever is asked about them."""
    found = denial("example.", [only("example.")], ValidationLimits(nsec3_hashes=3))
    for _ in range(3):
        assert found.prove_nxdomain(GONE).kind is DenialKind.PROVEN
        assert found.prove_nodata(GONE, A).kind is DenialKind.UNPROVEN
        assert found.prove_no_ds(GONE).kind is DelegationKind.NO_NAME


def test_a_flood_ends_with_the_budget() -> None:
    """CVE-2023-50868: a name of many labels, of which none is matched before the last."""
    deep = name("a." * 100 + "example.")
    found = denial("example.", [only("example.", iterations=150, salt="ab" * 255)])
    with pytest.raises(WorkLimitExceededError):
        found.prove_nxdomain(deep)
    assert (
        denial("example.", [only("example.")], ValidationLimits(nsec3_hashes=200)).prove_nxdomain(deep).kind
        is DenialKind.PROVEN
    )


def test_the_budget_is_that_of_an_answer() -> None:
    """Two zones of one answer share it."""
    budget = WorkBudget(ValidationLimits(nsec3_hashes=5))
    records = (rrset(only("example.")),)
    assert AuthenticatedDenial(APEX, records, budget).prove_nxdomain(GONE).kind is DenialKind.PROVEN
    with pytest.raises(WorkLimitExceededError):
        AuthenticatedDenial(APEX, records, budget).prove_nxdomain(GONE)


def test_seconds_grow_with_iterations_salt_and_limit() -> None:
    def seconds(iterations: int, salt: str, hashes: int) -> float:
        return denial(
            "example.", [only("example.", iterations=iterations, salt=salt)], ValidationLimits(nsec3_hashes=hashes)
        ).estimate_seconds()

    assert 0 < seconds(0, "-", 64) < seconds(100, "-", 64) < seconds(100, "ab" * 255, 64)
    assert seconds(100, "-", 64) == pytest.approx(64 * seconds(100, "-", 1))
