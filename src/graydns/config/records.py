"""Readers of the records that a policy gives, and of the versions made of them."""

from __future__ import annotations

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from attrs import field, frozen
from dns.rdatatype import RdataType

from graydns.config.fromconsul import read_from_consul
from graydns.config.misfit import Gathering, Misfit, misfits, shown
from graydns.config.scalar import Integer
from graydns.model.policy import ConsulVersionSource, ServiceEndpoint, ServiceVersion

#: Types that hold a zone together (RFC 1034, 4034, 5155, 6672, 7344): no client may get a choice of these.
STRUCTURE = frozenset(
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
BINDINGS = frozenset((RdataType.SVCB, RdataType.HTTPS))

read_weight = Integer(0, 1_000_000)
read_answers = Integer(1, 1000)


def read_type(value: object, /) -> RdataType:
    """The type that a mnemonic such as ``AAAA`` or ``TYPE65`` names (RFC 3597)."""
    try:
        if isinstance(value, str):
            return dns.rdatatype.from_text(value)
    except (dns.exception.DNSException, ValueError):
        pass
    raise misfits(value, "a record type such as A, AAAA or TXT")


def read_type_text(value: object, /) -> str:
    """The canonical mnemonic of a type."""
    return dns.rdatatype.to_text(read_type(value))


@frozen
class Records:
    """Reads ``{A: [192.0.2.1], TXT: …}``, without the *refused* types; the result has canonical mnemonics."""

    refused: frozenset[RdataType] = field(default=STRUCTURE)

    def __call__(self, value: object, /) -> dict[str, tuple[str, ...]]:
        """Rdata in presentation format by type."""
        if not isinstance(value, dict) or not value:
            raise misfits(value, "record types with their data, such as {A: [192.0.2.1]}")
        records: dict[str, tuple[str, ...]] = {}
        wrong = Gathering()
        for text, rdatas in value.items():
            with wrong.at(text):
                rdtype = self._type(text)
                if (mnemonic := dns.rdatatype.to_text(rdtype)) in records:
                    raise misfits(text, "each record type once")
                records[mnemonic] = read_rdatas(rdatas, rdtype)
        wrong.extend(cname_misfits(records))
        wrong.close()
        return records

    def _type(self, text: str) -> RdataType:
        rdtype = read_type(text)
        if rdtype in BINDINGS and rdtype in self.refused:
            raise misfits(text, "no SVCB or HTTPS records in a version: their address hints would bypass the choice")
        if rdtype in self.refused:
            raise misfits(text, "a type other than those that make up the zone itself")
        if rdtype == 0 or dns.rdatatype.is_metatype(rdtype):
            raise misfits(text, "a type that records can have")
        return rdtype


def cname_misfits(records: dict[str, tuple[str, ...]]) -> list[Misfit]:
    """RFC 1034 section 3.6.2, RFC 2181 section 10.1: a CNAME is alone, and one."""
    if "CNAME" not in records:
        return []
    if len(records) > 1:
        return [Misfit(("CNAME",), "a CNAME beside other types", "a CNAME alone")]
    if len(records["CNAME"]) > 1:
        return [Misfit(("CNAME",), f"{len(records['CNAME'])} CNAMEs", "one CNAME")]
    return []


def read_rdatas(value: object, rdtype: RdataType) -> tuple[str, ...]:
    """One or more records of a type, as they were typed; a lone text counts as a list of one."""
    if isinstance(value, str):
        parse_rdata(value, rdtype)
        return (value,)
    if not isinstance(value, list) or not value:
        raise misfits(value, f"a list of {dns.rdatatype.to_text(rdtype)} data")
    texts: dict[dns.rdata.Rdata, str] = {}
    wrong = Gathering()
    for index, item in enumerate(value):
        with wrong.at(index):
            rdata = parse_rdata(item, rdtype)
            if rdata in texts:
                raise misfits(item, "each record once")
            texts[rdata] = item
    wrong.close()
    return tuple(texts.values())


def parse_rdata(value: object, rdtype: RdataType) -> dns.rdata.Rdata:
    """Rdata in presentation format; names in it are full names with or without final dot."""
    expected = f"{dns.rdatatype.to_text(rdtype)} data"
    if not isinstance(value, str) or not value.isprintable():
        raise misfits(value, expected)
    try:
        rdata = dns.rdata.from_text(dns.rdataclass.IN, rdtype, value, origin=dns.name.root, relativize=False)
        rdata.to_wire()
    except (dns.exception.DNSException, ValueError) as error:
        detail = " ".join(str(error).split())
        raise misfits(value, f"{expected} ({detail})" if detail else expected) from None
    return rdata


VERSION_RECORDS = Records(STRUCTURE | BINDINGS)


def read_version(value: object, _: object = None) -> ServiceVersion:
    """A version: records by type (the short form), ``endpoints``, or ``consul``; all with ``answers``."""
    if not isinstance(value, dict):
        raise misfits(value, "records by type, such as {A: [192.0.2.1]}, {endpoints: […]} or {consul: {service: …}}")
    rest = {key: item for key, item in value.items() if key != "answers"}
    wrong = Gathering()
    answers: int | None = None
    endpoints: tuple[ServiceEndpoint, ...] = ()
    consul: ConsulVersionSource | None = None
    with wrong.at():
        if "consul" in rest:
            consul = read_from_consul(rest)
        else:
            endpoints = _read_listed(rest) if "endpoints" in rest else zipped(VERSION_RECORDS(rest))
    if value.get("answers") is not None:
        with wrong.at("answers"):
            answers = read_answers(value["answers"])
    version = ServiceVersion(endpoints, answers, consul)
    wrong.extend(alias_misfits(version))
    wrong.close()
    return version


def zipped(records: dict[str, tuple[str, ...]]) -> tuple[ServiceEndpoint, ...]:
    """Endpoint *i* has the record at position *i* of each type that is long enough."""
    size = max(map(len, records.values()))
    return tuple(
        ServiceEndpoint({mnemonic: (rdatas[at],) for mnemonic, rdatas in records.items() if at < len(rdatas)})
        for at in range(size)
    )


def _read_listed(value: dict[str, object]) -> tuple[ServiceEndpoint, ...]:
    wrong = Gathering(
        Misfit((key,), f"{shown(key)} beside 'endpoints'", "records inside the endpoints", True)
        for key in value
        if key != "endpoints"
    )
    items = value["endpoints"]
    if not isinstance(items, list) or not items:
        wrong.append(Misfit(("endpoints",), shown(items), "a list of endpoints, at least one"))
        items = []
    endpoints = []
    for index, item in enumerate(items):
        with wrong.at("endpoints", index):
            endpoints.append(_read_endpoint(item))
    wrong.close()
    return tuple(endpoints)


def _read_endpoint(value: object) -> ServiceEndpoint:
    if not isinstance(value, dict):
        raise misfits(value, "records by type and a weight, such as {A: 192.0.2.1, weight: 3}")
    wrong = Gathering()
    weight, records = 1, {}
    if "weight" in value:
        with wrong.at("weight"):
            weight = read_weight(value["weight"])
    with wrong.at():
        records = VERSION_RECORDS({key: item for key, item in value.items() if key != "weight"})
    wrong.close()
    return ServiceEndpoint(records, weight)


def alias_misfits(version: ServiceVersion) -> list[Misfit]:
    """An answer may hold one CNAME: several endpoints that have one need ``answers: 1``, and none may have others."""
    aliases = sum("CNAME" in endpoint.records for endpoint in version.endpoints)
    if aliases < 1 or len(version.endpoints) == 1:
        return []
    if aliases < len(version.endpoints):
        return [Misfit((), "endpoints with and without CNAME", "CNAME at all endpoints or none")]
    weighted = len({endpoint.weight for endpoint in version.endpoints}) > 1
    if version.answers == 1 or (version.answers is None and weighted):
        return []
    return [Misfit((), "several CNAMEs in one answer", "answers: 1")]
