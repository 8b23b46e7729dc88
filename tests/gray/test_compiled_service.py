"""Services: what is refused when they are compiled."""

from __future__ import annotations

import pytest

from graydns.model.policy import Rule, RuleConditions, RuleOutcome, ServiceEndpoint, ServicePolicy, ServiceVersion
from tests.gray.making import API, CANARY, STABLE, VERSIONS, faults, service, version, zone

ALIAS = ServiceVersion((ServiceEndpoint({"CNAME": ("a.test.",)}),))


@pytest.mark.parametrize(
    ("written", "path"),
    [
        (service(default="none"), ("default",)),
        (service(ttl=-1), ("ttl",)),
        (service(client_key=("identity", "nose")), ("client_key", 1)),
        (service(client_key=("source", "source")), ("client_key", 1)),
        (service(client_prefix={"ipv4": 33}), ("client_prefix", "ipv4")),
        (service(client_prefix={"ipx": 3}), ("client_prefix", "ipx")),
        (service(whitelist={"none": ("client:a",)}), ("whitelist", "none")),
        (service(whitelist={"canary": ("a",)}), ("whitelist", "canary", 0)),
        (service(whitelist={"canary": ("net:10.0.0.1/8",)}), ("whitelist", "canary", 0)),
        (service(whitelist={"canary": ("client:a",), "stable": ("client:a",)}), ("whitelist", "stable", 0)),
        (service(whitelist={"canary": ("net:10.0.0.0/8",), "stable": ("net:10.0.0.0/8",)}), ("whitelist", "stable", 0)),
        (service(versions=VERSIONS | {"stable": ServiceVersion((ServiceEndpoint({"TXT": ("a",)}),))}), ("versions",)),
        (service(versions={"stable": version("192.0.2.1", "192.0.2.1")}), ("versions", "stable", "endpoints", 1)),
        (service(versions={"stable": ServiceVersion(STABLE.endpoints, 0)}), ("versions", "stable", "answers")),
        (
            service(versions={"stable": ServiceVersion((ServiceEndpoint({"A": ("192.0.2.1",)}, -1),))}),
            ("versions", "stable", "endpoints", 0, "weight"),
        ),
        (
            service(versions={"stable": version("192.0.2")}),
            ("versions", "stable", "endpoints", 0, "records", "A", 0),
        ),
        (
            service(versions={"stable": ServiceVersion((ServiceEndpoint({"ANY": ("x",)}),))}),
            ("versions", "stable", "endpoints", 0, "records", "ANY"),
        ),
        (
            service(versions={"stable": ServiceVersion((ServiceEndpoint({"HTTPS": ("1 . ipv4hint=192.0.2.1",)}),))}),
            ("versions", "stable", "endpoints", 0, "records", "HTTPS", 0),
        ),
        (
            service(versions={"stable": ServiceVersion((ServiceEndpoint({"CNAME": ("a.",), "TXT": ("x",)}),))}),
            ("versions", "stable", "endpoints", 0, "records", "CNAME"),
        ),
        (
            service(versions={"stable": ServiceVersion((*ALIAS.endpoints, *STABLE.endpoints))}),
            ("versions", "stable", "endpoints"),
        ),
    ],
)
def test_impossible_services_are_faults(written: ServicePolicy, path: tuple[str | int, ...]) -> None:
    """What cannot be, or would not do what it says, is an error at its place."""
    found = faults(zone({API: written}))
    assert found[0].path == ("services", API, *path)
    assert found[0].file == "shop.test.yaml"


def test_all_faults_are_reported_at_once() -> None:
    """One load names everything that is wrong with it."""
    bad = Rule("bad", RuleConditions(qtype="NOPE", source="x"), RuleOutcome(version="v", block="b", ttl=-1))
    found = faults(zone({API: service(default="none", ttl=-1)}, [bad]))
    assert {fault.path for fault in found} == {
        ("services", API, "default"),
        ("services", API, "ttl"),
        ("rules", 0, "when", "source"),
        ("rules", 0, "when", "qtype"),
        ("rules", 0, "then"),
        ("rules", 0, "then", "block"),
        ("rules", 0, "then", "ttl"),
    }


def test_harmless_repetition_in_whitelist() -> None:
    """An entry may stand twice for one version."""
    assert not faults(zone({API: service(whitelist={"canary": ("client:a", "client:a")})}))


def test_uneven_versions_can_be_allowed() -> None:
    """Versions with different types are possible where somebody says so."""
    both = {"stable": STABLE, "canary": ALIAS}
    assert faults(zone({API: service(versions=both)}))
    assert not faults(zone({API: ServicePolicy(versions=both, default="stable", allow_uneven=True)}))


def test_service_outside_its_zone() -> None:
    """A service lies in the zone whose file it stands in."""
    assert [fault.path for fault in faults(zone({"api.other.test": service()}))] == [("services", "api.other.test")]


def test_canary_may_be_any_version() -> None:
    """The default need not be called stable."""
    assert not faults(zone({API: service(versions={"v2": CANARY, "v1": STABLE}, default="v2", weights={"v1": 1})}))
