"""Records as a policy writes them, turned into rdata wire form by dnspython."""

from __future__ import annotations

from collections.abc import Mapping

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdatatype import CNAME, RdataType
from dns.rdtypes.svcbbase import SVCBBase

from graydns.model.errors import PolicyIssues
from graydns.model.policy import RecordTexts

#: Rdata in wire form by RR type.
RdataByType = Mapping[int, tuple[bytes, ...]]

# SvcParamKeys of RFC 9460 section 14.3.2.
_ADDRESS_HINT_KEYS = frozenset({4, 6})


def parse_rdtype(mnemonic: str) -> int:
    """The RR type of a mnemonic (``TYPE65280`` too, RFC 3597). Raises ValueError."""
    try:
        return int(dns.rdatatype.from_text(mnemonic))
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"not an RR type: {mnemonic!r}") from error


def parse_records(records: RecordTexts, faults: PolicyIssues, *, hints: bool = True) -> RdataByType:
    """*records* in wire form, in the order written; names without a final dot are absolute.

    *hints*: whether SVCB and HTTPS may carry address hints (they may not where addresses are under release control).
    """
    wire: dict[int, tuple[bytes, ...]] = {}
    for mnemonic, texts in records.items():
        try:
            rdtype = RdataType.make(parse_rdtype(mnemonic))
            if dns.rdatatype.is_metatype(rdtype):
                raise ValueError
        except ValueError:
            faults.add(f"{mnemonic!r}", "an RR type that can hold data", mnemonic)
            continue
        found = [_parse_rdata(rdtype, text, faults.under(mnemonic, at), hints) for at, text in enumerate(texts)]
        wire[rdtype] = wire.get(rdtype, ()) + tuple(dict.fromkeys(rdata for rdata in found if rdata))
    if CNAME in wire and (len(wire) > 1 or len(wire[CNAME]) > 1):
        faults.add("a CNAME beside other records", "a CNAME alone (RFC 1034 section 3.6.2)", "CNAME")
    return wire


def _parse_rdata(rdtype: RdataType, text: str, faults: PolicyIssues, hints: bool) -> bytes:
    try:
        rdata = dns.rdata.from_text(dns.rdataclass.IN, rdtype, text, origin=dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError) as error:
        faults.add(f"{text!r} ({error})", f"{dns.rdatatype.to_text(rdtype)} data")
        return b""
    if not hints and isinstance(rdata, SVCBBase) and _ADDRESS_HINT_KEYS & rdata.params.keys():
        faults.add(f"{text!r}", "no address hints: they would bypass the choice of a version")
    return rdata.to_wire() or b""
