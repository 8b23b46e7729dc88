"""Readers of the records that a policy gives, and of the versions made of them."""

from __future__ import annotations

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from attrs import field, frozen
from dns.rdatatype import RdataType

from graydns.config.issues import IssueCollector, ValidationIssue, format_value, make_validation_error
from graydns.config.scalar import Integer
from graydns.config.service_versions import read_consul_version_source
from graydns.model.policy import ConsulVersionSource, ServiceEndpoint, ServiceVersion

#: Types that hold a zone together (RFC 1034, 4034, 5155, 6672, 7344): no client may get a choice of these.
ZONE_STRUCTURE_TYPES = frozenset(
    (
        RdataType.SOA,
        RdataType.NS,
        RdataType.DNAME,
        RdataType.DS,
        RdataType.DNSKEY,
        RdataType.RRSIG,
        RdataType.NSEC,
        RdataType.NSEC3,
        RdataType.NSEC3PARAM,
        RdataType.CDS,
        RdataType.CDNSKEY,
    )
)

#: RFC 9460: their address hints would send a client past the version that was chosen for it.
SERVICE_BINDING_TYPES = frozenset((RdataType.SVCB, RdataType.HTTPS))

read_endpoint_weight = Integer(0, 1_000_000)
read_answer_count = Integer(1, 1000)


def read_rdtype(value: object, /) -> RdataType:
    """The type that a mnemonic such as ``AAAA`` or ``TYPE65`` names (RFC 3597)."""
    try:
        if isinstance(value, str):
            return dns.rdatatype.from_text(value)
    except (dns.exception.DNSException, ValueError):
        pass
    raise make_validation_error(value, "a record type such as A, AAAA or TXT")


def read_rdtype_text(value: object, /) -> str:
    """The canonical mnemonic of a type."""
    return dns.rdatatype.to_text(read_rdtype(value))


@frozen
class RecordsReader:
    """Reads ``{A: [192.0.2.1], TXT: …}``, without *refused_types*; the result has canonical mnemonics."""

    refused_types: frozenset[RdataType] = field(default=ZONE_STRUCTURE_TYPES)

    def __call__(self, value: object, /) -> dict[str, tuple[str, ...]]:
        """Rdata in presentation format by type."""
        if not isinstance(value, dict) or not value:
            raise make_validation_error(value, "record types with their data, such as {A: [192.0.2.1]}")
        records: dict[str, tuple[str, ...]] = {}
        wrong = IssueCollector()
        for text, rdatas in value.items():
            with wrong.collect_at(text):
                rdtype = self._read_allowed_type(text)
                if (mnemonic := dns.rdatatype.to_text(rdtype)) in records:
                    raise make_validation_error(text, "each record type once")
                records[mnemonic] = read_rdatas(rdatas, rdtype)
        wrong.extend(check_cname_alone(records))
        wrong.raise_collected()
        return records

    def _read_allowed_type(self, text: str) -> RdataType:
        rdtype = read_rdtype(text)
        if rdtype in SERVICE_BINDING_TYPES and rdtype in self.refused_types:
            raise make_validation_error(
                text, "no SVCB or HTTPS records in a version: their address hints would bypass the choice"
            )
        if rdtype in self.refused_types:
            raise make_validation_error(text, "a type other than those that make up the zone itself")
        if rdtype == 0 or dns.rdatatype.is_metatype(rdtype):
            raise make_validation_error(text, "a type that records can have")
        return rdtype


def check_cname_alone(records: dict[str, tuple[str, ...]]) -> list[ValidationIssue]:
    """RFC 1034 section 3.6.2, RFC 2181 section 10.1: a CNAME is alone, and one."""
    if "CNAME" not in records:
        return []
    if len(records) > 1:
        return [ValidationIssue(("CNAME",), "a CNAME beside other types", "a CNAME alone")]
    if len(records["CNAME"]) > 1:
        return [ValidationIssue(("CNAME",), f"{len(records['CNAME'])} CNAMEs", "one CNAME")]
    return []


def read_rdatas(value: object, rdtype: RdataType) -> tuple[str, ...]:
    """One or more records of a type, as they were typed; a lone text counts as a list of one."""
    if isinstance(value, str):
        parse_rdata(value, rdtype)
        return (value,)
    if not isinstance(value, list) or not value:
        raise make_validation_error(value, f"a list of {dns.rdatatype.to_text(rdtype)} data")
    texts: dict[dns.rdata.Rdata, str] = {}
    wrong = IssueCollector()
    for index, item in enumerate(value):
        with wrong.collect_at(index):
            rdata = parse_rdata(item, rdtype)
            if rdata in texts:
                raise make_validation_error(item, "each record once")
            texts[rdata] = item
    wrong.raise_collected()
    return tuple(texts.values())


def parse_rdata(value: object, rdtype: RdataType) -> dns.rdata.Rdata:
    """Rdata in presentation format; names in it are full names with or without final dot."""
    expected = f"{dns.rdatatype.to_text(rdtype)} data"
    if not isinstance(value, str) or not value.isprintable():
        raise make_validation_error(value, expected)
    try:
        rdata = dns.rdata.from_text(dns.rdataclass.IN, rdtype, value, origin=dns.name.root, relativize=False)
        rdata.to_wire()
    except (dns.exception.DNSException, ValueError) as error:
        detail = " ".join(str(error).split())
        raise make_validation_error(value, f"{expected} ({detail})" if detail else expected) from None
    return rdata


read_version_records = RecordsReader(ZONE_STRUCTURE_TYPES | SERVICE_BINDING_TYPES)


def read_version(value: object, _: object = None) -> ServiceVersion:
    """A version: records by type (the short form), ``endpoints``, or ``consul``; all with ``answers``."""
    if not isinstance(value, dict):
        raise make_validation_error(
            value, "records by type, such as {A: [192.0.2.1]}, {endpoints: […]} or {consul: {service: …}}"
        )
    rest = {key: item for key, item in value.items() if key != "answers"}
    wrong = IssueCollector()
    answers: int | None = None
    endpoints: tuple[ServiceEndpoint, ...] = ()
    consul: ConsulVersionSource | None = None
    with wrong.collect_at():
        if "consul" in rest:
            consul = read_consul_version_source(rest)
        else:
            endpoints = _read_endpoints(rest) if "endpoints" in rest else zip_endpoints(read_version_records(rest))
    if value.get("answers") is not None:
        with wrong.collect_at("answers"):
            answers = read_answer_count(value["answers"])
    version = ServiceVersion(endpoints, answers, consul)
    wrong.extend(check_endpoint_cnames(version))
    wrong.raise_collected()
    return version


def zip_endpoints(records: dict[str, tuple[str, ...]]) -> tuple[ServiceEndpoint, ...]:
    """Endpoint *i* has the record at position *i* of each type that is long enough."""
    size = max(map(len, records.values()))
    return tuple(
        ServiceEndpoint({mnemonic: (rdatas[at],) for mnemonic, rdatas in records.items() if at < len(rdatas)})
        for at in range(size)
    )


def _read_endpoints(value: dict[str, object]) -> tuple[ServiceEndpoint, ...]:
    wrong = IssueCollector(
        ValidationIssue((key,), f"{format_value(key)} beside 'endpoints'", "records inside the endpoints", True)
        for key in value
        if key != "endpoints"
    )
    items = value["endpoints"]
    if not isinstance(items, list) or not items:
        wrong.append(ValidationIssue(("endpoints",), format_value(items), "a list of endpoints, at least one"))
        items = []
    endpoints = []
    for index, item in enumerate(items):
        with wrong.collect_at("endpoints", index):
            endpoints.append(_read_endpoint(item))
    wrong.raise_collected()
    return tuple(endpoints)


def _read_endpoint(value: object) -> ServiceEndpoint:
    if not isinstance(value, dict):
        raise make_validation_error(value, "records by type and a weight, such as {A: 192.0.2.1, weight: 3}")
    wrong = IssueCollector()
    weight, records = 1, {}
    if "weight" in value:
        with wrong.collect_at("weight"):
            weight = read_endpoint_weight(value["weight"])
    with wrong.collect_at():
        records = read_version_records({key: item for key, item in value.items() if key != "weight"})
    wrong.raise_collected()
    return ServiceEndpoint(records, weight)


def check_endpoint_cnames(version: ServiceVersion) -> list[ValidationIssue]:
    """An answer may hold one CNAME: several endpoints that have one need ``answers: 1``, and none may have others."""
    aliases = sum("CNAME" in endpoint.records for endpoint in version.endpoints)
    if aliases < 1 or len(version.endpoints) == 1:
        return []
    if aliases < len(version.endpoints):
        return [ValidationIssue((), "endpoints with and without CNAME", "CNAME at all endpoints or none")]
    weighted = len({endpoint.weight for endpoint in version.endpoints}) > 1
    if version.answers == 1 or (version.answers is None and weighted):
        return []
    return [ValidationIssue((), "several CNAMEs in one answer", "answers: 1")]
