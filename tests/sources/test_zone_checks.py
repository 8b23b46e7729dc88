"""What the records of a zone must and should say about each other, and about services."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.model.name import from_text
from graydns.model.policy import ServiceEndpoint, ServicePolicy, ServiceVersion
from graydns.sources.zone_checks import check_zone_services
from tests.sources.zone_text import APEX, faults_of, load_text

SOA, NS = APEX.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("a 60 CNAME b\na 60 A 192.0.2.1\n", 4, "CNAME and other data (A)"),
        ("a 60 A 192.0.2.1\na 60 CNAME b\n", 4, "CNAME and other data (A)"),
        ("a 60 CNAME b\na 60 CNAME c\n", 4, "2 CNAME records"),
        ("@ 60 CNAME b\n", 3, "CNAME and other data (NS, SOA)"),
        ("d 60 DNAME x.\nd 60 DNAME y.\n", 4, "2 DNAME records"),
        ("a 60 SOA . . 1 2 3 4 5\n", 3, "SOA below the zone's own name"),
        ("@ 60 SOA . . 1 2 3 4 5\n", 3, "2 SOA records"),
        ("*.a 60 NS ns.invalid.\n", 3, "NS at a wildcard"),
        ("*.a 60 DNAME x.\n", 3, "DNAME at a wildcard"),
        ("d 60 DNAME x.\nd 60 NS ns.invalid.\n", 3, "DNAME beside NS"),
        ("d 60 DNAME x.\na.b.d 60 A 192.0.2.1\n", 3, "DNAME above a.b.d.zone.test"),
    ],
)
def test_what_may_not_be(tmp_path: Path, text: str, line: int, found: str) -> None:
    """Each is an error, with the line of the record that is too much or the one that forbids it."""
    (fault,) = faults_of(tmp_path, text)
    assert (fault.line, fault.found) == (line, found)


@pytest.mark.parametrize(("apex", "found"), [(SOA, "no NS record"), (NS, "no SOA record"), ("", "no records")])
def test_the_apex_must_be_there(tmp_path: Path, apex: str, found: str) -> None:
    """SOA and NS."""
    assert [fault.found for fault in faults_of(tmp_path, "", apex=apex)] == [found]


def test_too_many_records_for_a_message(tmp_path: Path) -> None:
    """What no message can hold could never be asked for."""
    text = "".join(f"big 60 TXT {number:05d}{'x' * 240}\n" for number in range(300))
    assert [fault.found for fault in faults_of(tmp_path, text)] == ["TXT records too large for a message"]


def test_nothing_is_wrong_with_signatures_beside_a_cname(tmp_path: Path) -> None:
    """RFC 4035 section 2.5."""
    load_text(tmp_path, "a 60 CNAME b\na 60 NSEC b.zone.test. CNAME NSEC\n")


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("sub 60 NS ns.sub\n", "no address for the name server ns.sub.zone.test"),
        ("sub 60 NS ns\n", "no address for the name server ns.zone.test"),
        ("@ 300 NS ns\nns 60 TXT x\n", "no address for the name server ns.zone.test"),
        ("a 60 A 192.0.2.1\na 30 A 192.0.2.2\n", "A records with different TTLs"),
        ("@ 60 DNSKEY 256 3 13 AAAA\n", "a signed zone"),
    ],
)
def test_what_is_odd(tmp_path: Path, text: str, warning: str) -> None:
    """Each is a warning, and the zone is served."""
    (told,) = load_text(tmp_path, text).warnings
    assert warning in told


@pytest.mark.parametrize(
    "text",
    [
        "sub 60 NS ns.sub\nns.sub 60 A 192.0.2.1\n",
        "sub 60 NS ns.elsewhere.invalid.\n",
        "sub 60 NS ns.dev\n*.dev 60 A 192.0.2.1\n",
        "sub 60 NS ns.other\nother 60 NS ns.invalid.\n",
    ],
)
def test_what_is_not_odd(tmp_path: Path, text: str) -> None:
    """Addresses that are there, elsewhere, or made by a wildcard are not missed."""
    assert load_text(tmp_path, text).warnings == ()


ADDRESSES = {"A": ("192.0.2.20",)}


@pytest.mark.parametrize(
    ("text", "records", "found"),
    [
        ("api 60 A 192.0.2.1\n", ADDRESSES, "A at the same name in the zone"),
        ("api 60 AAAA 2001:db8::1\n", ADDRESSES, "AAAA at the same name in the zone"),
        ("api 60 CNAME www\n", ADDRESSES, "CNAME at the same name in the zone"),
        ("api 60 TXT x\n", {"TXT": ("y",)}, "TXT at the same name in the zone"),
        ("api 60 TXT x\n", {"CNAME": ("www.zone.test",)}, "other records in the zone beside a version's CNAME"),
        ("api 60 HTTPS 1 . ipv4hint=192.0.2.1\n", ADDRESSES, "HTTPS with address hints in the zone"),
        ("api 60 SVCB 1 . ipv6hint=2001:db8::1\n", ADDRESSES, "SVCB with address hints in the zone"),
        ("@ 60 DNSKEY 256 3 13 AAAA\n", ADDRESSES, "services in a zone that has a DNSKEY"),
    ],
)
def test_what_stands_against_a_service(
    tmp_path: Path, text: str, records: dict[str, tuple[str, ...]], found: str
) -> None:
    """Each is an error at the service's place in zone-config.yaml."""
    zone = load_text(tmp_path, text).zone
    service = ServicePolicy({"stable": ServiceVersion((ServiceEndpoint(records),))}, "stable")
    (fault,) = check_zone_services(zone, {from_text("api.zone.test"): service})
    assert fault.found == found
    assert fault.path in (("services", "api.zone.test"), ("services",))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sub 60 NS ns.invalid.\n", "a service below a delegation at sub.zone.test"),
        ("sub 60 DNAME x.invalid.\n", "a service below a DNAME at sub.zone.test"),
    ],
)
def test_a_service_that_is_not_ours_to_answer(tmp_path: Path, text: str, found: str) -> None:
    """Below a cut or a DNAME nobody would ask us."""
    service = ServicePolicy({"stable": ServiceVersion((ServiceEndpoint(ADDRESSES),))}, "stable")
    (fault,) = check_zone_services(load_text(tmp_path, text).zone, {from_text("api.sub.zone.test"): service})
    assert fault.found == found


def test_a_service_has_one_name(tmp_path: Path) -> None:
    """A wildcard would be a service for names that the zone answers for."""
    service = ServicePolicy({"stable": ServiceVersion((ServiceEndpoint(ADDRESSES),))}, "stable")
    (fault,) = check_zone_services(load_text(tmp_path, "").zone, {from_text("*.zone.test"): service})
    assert fault.found == "a service at a wildcard"


def test_what_a_service_may_have_beside_it(tmp_path: Path) -> None:
    """Other types, and bindings without hints."""
    zone = load_text(tmp_path, "api 60 HTTPS 1 . alpn=h2\napi 60 TXT x\napi 60 MX 10 mail.invalid.\n").zone
    service = ServicePolicy({"stable": ServiceVersion((ServiceEndpoint(ADDRESSES),))}, "stable")
    assert list(check_zone_services(zone, {from_text("api.zone.test"): service})) == []
