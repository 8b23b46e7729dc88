"""Services in zone-config.yaml: versions in both forms, splits, and their faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.model.policy import ConsulVersionSource, ServiceEndpoint, ServicePolicy, ServiceVersion
from tests.config.files import brief, faults_of_zone, service_zone, zone_of

OWNER = b"\3api\4shop\4test\0"

FAULTS = [
    (
        "default: v1\nversions: {v1: {consul: {tag: v2}}}\n",
        "8:29 services.api.shop.test.versions.v1.consul: no key 'service'",
        "'service', which is required",
    ),
    (
        "default: v1\nversions: {v1: {consul: {service: api, id: x}}}\n",
        "8:44 services.api.shop.test.versions.v1.consul.id: the unknown key 'id'",
        "one of service, tag, meta",
    ),
    (
        "default: v1\nversions: {v1: {consul: {service: api, meta: v2}}}\n",
        "8:50 services.api.shop.test.versions.v1.consul.meta: 'v2'",
        "what instances have registered",
    ),
    (
        "default: v1\nversions: {v1: {consul: {service: api}, A: 192.0.2.1}}\n",
        "8:45 services.api.shop.test.versions.v1.A: 'A' beside 'consul'",
        "either records, or instances of Consul",
    ),
    (
        "default: v1\nversions: {v1: {consul: {service: api}, rise: 3}}\n",
        "8:51 services.api.shop.test.versions.v1.rise: '3'",
        "a duration from 0s to 1d",
    ),
    (
        "default: v1\nversions: {v1: {consul: {service: api}, panic_threshold: 50 %}}\n",
        "8:62 services.api.shop.test.versions.v1.panic_threshold: '50 %'",
        "a percentage from 0 to 100",
    ),
    # Line 7 is the first of the service.
    (
        "versions: {v1: {A: 192.0.2.1}}\n",
        "7:5 services.api.shop.test: no key 'default'",
        "'default', which is required",
    ),
    ("default: v1\n", "7:5 services.api.shop.test: no key 'versions'", "'versions', which is required"),
    ("default: v1\nversions: {}\n", "8:15 services.api.shop.test.versions: no version", "at least one version"),
    (
        "default: v2\nversions: {v1: {A: 192.0.2.1}}\n",
        "7:14 services.api.shop.test.default: the unknown version 'v2'",
        "one of the versions v1",
    ),
    (
        "default: v1\nversions: {v1: {A: 192.0.2.256}}\n",
        "8:24 services.api.shop.test.versions.v1.A: '192.0.2.256'",
        "A data",
    ),
    (
        'default: v1\nversions: {v1: {AAAA: ["2001:db8::1", 192.0.2.1]}}\n',
        "8:43 services.api.shop.test.versions.v1.AAAA.1: '192.0.2.1'",
        "AAAA data",
    ),
    (
        'default: v1\nversions: {v1: {AAAA: ["2001:db8::1", "2001:db8:0::1"]}}\n',
        "8:43 services.api.shop.test.versions.v1.AAAA.1: '2001:db8:0::1'",
        "each record once",
    ),
    (
        "default: v1\nversions: {v1: {B: x}}\n",
        "8:24 services.api.shop.test.versions.v1.B: 'B'",
        "a record type such as A",
    ),
    (
        "default: v1\nversions: {v1: {A: 192.0.2.1, TYPE1: 192.0.2.2}}\n",
        "8:42 services.api.shop.test.versions.v1.TYPE1: 'TYPE1'",
        "each record type once",
    ),
    (
        "default: v1\nversions: {v1: {HTTPS: 1 . ipv4hint=192.0.2.1}}\n",
        "8:28 services.api.shop.test.versions.v1.HTTPS: 'HTTPS'",
        "no SVCB or HTTPS records in a version",
    ),
    (
        "default: v1\nversions: {v1: {NS: ns1.shop.test}}\n",
        "8:25 services.api.shop.test.versions.v1.NS: 'NS'",
        "other than those that make up the zone",
    ),
    (
        "default: v1\nversions: {v1: {ANY: x}}\n",
        "8:26 services.api.shop.test.versions.v1.ANY: 'ANY'",
        "a type that records can have",
    ),
    (
        "default: v1\nversions: {v1: {A: []}}\n",
        "8:24 services.api.shop.test.versions.v1.A: an empty list",
        "a list of A data",
    ),
    (
        "default: v1\nversions: {v1: {}}\n",
        "8:20 services.api.shop.test.versions.v1: an empty mapping",
        "record types with their data",
    ),
    (
        "default: v1\nversions: {v1: {A: 192.0.2.1, CNAME: a.test}}\n",
        "8:42 services.api.shop.test.versions.v1.CNAME: a CNAME beside other types",
        "a CNAME alone",
    ),
    (
        "default: v1\nversions: {v1: {CNAME: [a.test, b.test]}}\n",
        "8:28 services.api.shop.test.versions.v1.CNAME: 2 CNAMEs",
        "one CNAME",
    ),
    (
        "default: v1\nversions: {v1: {endpoints: [{CNAME: a.test}, {CNAME: b.test}]}}\n",
        "8:20 services.api.shop.test.versions.v1: several CNAMEs in one answer",
        "answers: 1",
    ),
    (
        "default: v1\nversions: {v1: {endpoints: [{CNAME: a.test}, {A: 192.0.2.1}]}}\n",
        "8:20 services.api.shop.test.versions.v1: endpoints with and without CNAME",
        "CNAME at all endpoints or none",
    ),
    (
        "default: v1\nversions: {v1: {endpoints: [{A: 192.0.2.1, weight: -1}]}}\n",
        "8:56 services.api.shop.test.versions.v1.endpoints.0.weight: '-1'",
        "a whole number from 0 to 1000000",
    ),
    (
        "default: v1\nversions: {v1: {endpoints: []}}\n",
        "8:32 services.api.shop.test.versions.v1.endpoints: an empty list",
        "a list of endpoints, at least one",
    ),
    (
        "default: v1\nversions: {v1: {endpoints: [{A: 192.0.2.1}], A: 192.0.2.1}}\n",
        "8:50 services.api.shop.test.versions.v1.A: 'A' beside 'endpoints'",
        "records inside the endpoints",
    ),
    (
        "default: v1\nversions: {v1: {endpoints: [192.0.2.1]}}\n",
        "8:33 services.api.shop.test.versions.v1.endpoints.0: '192.0.2.1'",
        "records by type and a weight",
    ),
    (
        "default: v1\nversions: {v1: {A: 192.0.2.1, answers: 0}}\n",
        "8:44 services.api.shop.test.versions.v1.answers: '0'",
        "a whole number from 1 to 1000",
    ),
    (
        "default: v1\nversions: {v1: {A: 192.0.2.1}, v2: {AAAA: '::1'}}\n",
        "8:15 services.api.shop.test.versions: different types (v1: A; v2: AAAA)",
        "'allow_uneven: true'",
    ),
    (
        "default: v1\nversions: {'v 1': {A: 192.0.2.1}}\n",
        "8:16 services.api.shop.test.versions.v 1: 'v 1'",
        "letters, digits",
    ),
]

TWO = "default: v1\nversions: {v1: {A: 192.0.2.1}, v2: {A: 192.0.2.2}, v3: {A: 192.0.2.3}, v4: {A: 192.0.2.4}}\n"

SPLIT_FAULTS = [
    # Line 9 is the one after both of TWO.
    ("percent: {v9: 1}", "9:15 percent.v9: the unknown version 'v9'", "one of the versions v1, v2, v3, v4"),
    ("whitelist: {v9: []}", "9:17 whitelist.v9: the unknown version 'v9'", "one of the versions v1, v2, v3, v4"),
    ("weights: {v9: 1}", "9:15 weights.v9: the unknown version 'v9'", "one of the versions v1, v2, v3, v4"),
    ("ranges: {v9: 0-1}", "9:14 ranges.v9: the unknown version 'v9'", "one of the versions v1, v2, v3, v4"),
    ("percent: {v2: 60, v3: 40.0001}", "9:14 percent: 100.0001 % in all", "at most 100 %"),
    ("percent: {v2: 1, v3: 1, v4: 1}", "9:14 percent: 3 versions", "at most two, or 'ranges'"),
    ("percent: {v1: 90}", "9:15 percent.v1: the default version 'v1'", "the default has what is left"),
    ("percent: {v2: 10%}", "9:19 percent.v2: '10%'", "without a sign"),
    ("percent: {v2: null}", "9:19 percent.v2: null", "a percentage from 0 to 100"),
    ("percent: {v2: 1}\nweights: {v2: 1}", "9:5 percent: 'percent' beside 'weights'", "only one of"),
    ("weights: {v1: 0, v2: 0}", "9:14 weights: only weights of 0", "at least one weight above 0"),
    ("ranges: {v2: [0-10], v3: [5-6]}", "9:30 ranges.v3: 5-6 of 'v3' over 0-10 of 'v2'", "do not overlap"),
    ("ranges: {v2: [5-1]}", "9:19 ranges.v2.0: '5-1'", "two rising percentages"),
    ("whitelist: {v2: ['qa']}", "9:22 whitelist.v2.0: 'qa'", "client:ID, tls:ID, tsig:ID or net:CIDR"),
    ("whitelist: {v2: ['net:10.0.0.1/8']}", "9:22 whitelist.v2.0: 'net:10.0.0.1/8'", "host bits zero"),
    ("whitelist: {v2: ['client:']}", "9:22 whitelist.v2.0: 'client:'", "client:ID"),
    ("client_key: [identity, mac]", "9:28 client_key.1: 'mac'", "one of identity, subnet, source"),
    ("client_key: []", "9:17 client_key: ''", "one or more sources"),
    ("client_key: [source, source]", "9:17 client_key: 'source, source'", "each once"),
    ("client_prefix: {ipv4: 33}", "9:27 client_prefix.ipv4: '33'", "a whole number from 1 to 32"),
    ("client_prefix: {ipx: 3}", "9:20 client_prefix: a mapping", "bits by family, such as"),
    ("ttl: 1w", "9:10 ttl: '1w'", "whole seconds from 0s to 1d"),
    ("salt: ''", "9:11 salt: ''", "a salt of 1 to 255 characters"),
    ("allow_uneven: on", "9:19 allow_uneven: 'on'", "true or false"),
]


def service_of(folder: Path, text: str) -> ServicePolicy:
    """The service that *text* writes."""
    return zone_of(folder, service_zone(text)).services[OWNER]


@pytest.mark.parametrize(("text", "place", "expected"), FAULTS)
def test_version_faults(tmp_path: Path, text: str, place: str, expected: str) -> None:
    """Each fault of a version names its line, column and path, what was found and what was expected."""
    (fault,) = faults_of_zone(tmp_path, service_zone(text))
    assert brief(fault) == place
    assert expected in fault.expected


@pytest.mark.parametrize(("text", "place", "expected"), SPLIT_FAULTS)
def test_split_faults(tmp_path: Path, text: str, place: str, expected: str) -> None:
    """Each fault of another key of a service names its place, what was found and what was expected."""
    (fault,) = faults_of_zone(tmp_path, service_zone(TWO + text))
    assert brief(fault).replace("services.api.shop.test.", "") == place
    assert expected in fault.expected


def test_short_form(tmp_path: Path) -> None:
    """The short form makes endpoints by position; a lone text is a list of one."""
    service = service_of(tmp_path, "default: v\nversions: {v: {A: [192.0.2.1, 192.0.2.2], aaaa: '::1', answers: 1}}\n")
    first = ServiceEndpoint({"A": ("192.0.2.1",), "AAAA": ("::1",)})
    assert service.versions == {"v": ServiceVersion((first, ServiceEndpoint({"A": ("192.0.2.2",)})), 1)}


def test_long_form(tmp_path: Path) -> None:
    """The long form gives each endpoint its records and weight."""
    service = service_of(
        tmp_path,
        "default: v\nversions: {v: {endpoints: [{A: [192.0.2.1, 192.0.2.2], weight: 3}, {A: 192.0.2.3}]}}\n",
    )
    assert service.versions == {
        "v": ServiceVersion(
            (ServiceEndpoint({"A": ("192.0.2.1", "192.0.2.2")}, 3), ServiceEndpoint({"A": ("192.0.2.3",)}, 1)), None
        )
    }


@pytest.mark.parametrize(
    "version",
    [
        "{CNAME: www.shop.test}",
        "{endpoints: [{CNAME: a.test}, {CNAME: b.test}], answers: 1}",
        "{endpoints: [{CNAME: a.test, weight: 3}, {CNAME: b.test}]}",
        "{TXT: '\"several\" \"strings\"', TYPE65280: '\\# 2 0102'}",
        "{A: [192.0.2.1, 192.0.2.2], answers: 5}",
    ],
)
def test_versions_that_are_taken(tmp_path: Path, version: str) -> None:
    """Aliases, unknown types and more answers than endpoints are all right."""
    assert service_of(tmp_path, f"default: v\nversions: {{v: {version}}}\n").default == "v"


def test_every_option(tmp_path: Path) -> None:
    """Every key of a service is read with its type."""
    service = service_of(
        tmp_path,
        """\
        versions: {v1: {A: 192.0.2.1}, v2: {AAAA: "::1"}}
        default: v1
        ttl: 10
        salt: pepper
        whitelist: {v2: ["tls:CN=a", "tsig:key.test", "client:b", "net:10.0.0.0/8"]}
        ranges: {v2: [0-0.5, 99.9999-100]}
        client_key: [subnet, source]
        client_prefix: {ipv4: 24, ipv6: 56}
        allow_uneven: true
        """,
    )
    assert (service.default, service.ttl, service.salt, service.allow_uneven) == ("v1", 10, "pepper", True)
    assert service.whitelist == {"v2": ("tls:CN=a", "tsig:key.test", "client:b", "net:10.0.0.0/8")}
    assert service.ranges == {"v2": ((0, 5000), (999_999, 1_000_000))}
    assert (service.client_key, service.client_prefix) == (("subnet", "source"), {"ipv4": 24, "ipv6": 56})


def test_percent_keeps_its_order(tmp_path: Path) -> None:
    """The first canary of ``percent`` is the first in the file: it grows from the other end than the second."""
    service = service_of(tmp_path, TWO + "percent: {v3: 0.5, v2: 10}")
    assert list(service.percent.items()) == [("v3", 5000), ("v2", 100_000)]


def test_services_are_judged_one_by_one(tmp_path: Path) -> None:
    """A wrong value does not hide what the other keys of the same service, or of the next, say about each other."""
    text = service_zone("default: v9\nversions: {v1: {A: 192.0.2.1}}\nttl: x") + (
        "  b.shop.test: {default: v1, versions: {v1: {A: 192.0.2.1}}, percent: {v8: 1}}\n"
    )
    assert [brief(fault).split(" ")[0] for fault in faults_of_zone(tmp_path, text)] == ["7:14", "9:10", "10:72"]


def test_a_version_from_consul(tmp_path: Path) -> None:
    """Instances by tag or metadata; its types are not known here, so that they need not be the same."""
    text = """\
default: v1
versions:
  v1: {A: 192.0.2.1, AAAA: "2001:db8::1"}
  v2: {consul: {service: Api, tag: V2}, answers: 2}
  v3: {consul: {service: api, meta: {version: v2}}, panic_threshold: 25, rise: 10s, fall: 500ms}
"""
    versions = zone_of(tmp_path, service_zone(text)).services[OWNER].versions
    assert versions["v2"] == ServiceVersion((), 2, ConsulVersionSource("api", "v2"))
    assert versions["v3"] == ServiceVersion(
        (), None, ConsulVersionSource("api", "", {"version": "v2"}, 250_000, 10.0, 0.5)
    )
