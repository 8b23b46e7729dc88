"""Zone files are read as dnspython reads them, whichever way a line takes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import dns.exception
import dns.rdataset
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.authority.zone_data import unpack_node
from graydns.model.dns_parameters import AAAA, CNAME, MX, SRV, A
from graydns.model.name import from_text
from graydns.sources import record_collector
from graydns.sources.zone_input import LineLocation
from graydns.sources.zone_parser import ZoneFileParser
from tests.authority.lookups import rdata_wire
from tests.conftest import examples
from tests.sources.zone_text import APEX, ORIGIN, faults_of, load_text, texts_of

Records = dict[tuple[bytes, int], tuple[int, frozenset[bytes]]]

OWNERS = ["@", "www", "WWW", "a.b", "*.x", "_tcp", "1", "2.0/25", "", "abs.zone.test.", "x\\.y", "out.test."]
WRONG_OWNERS = ["x..y", 64 * "x", 130 * "x.", "$x", '"q"', "x\\300"]
TTLS = ["", "60", "1h", "0", "60 IN", "IN 60", "in"]
WRONG_TTLS = ["99999999999", "CH", "60 60"]
RDATAS = [
    *("A 192.0.2.1", "A \\# 4 c0000201", "a 192.0.2.7", "AAAA 2001:db8::1", "AAAA ::ffff:192.0.2.1", "NS ns", "NS ns."),
    *("NS n\\.s", "NS @", 'TXT "a;b" c', "TXT a b", 'TXT "a(" b', "TXT a\\;b", "MX 10 mail", "PTR Host.Example."),
    *("SRV 0 0 1 .", "HTTPS 1 . alpn=h2", "TYPE65280 \\# 1 00", "CAA 0 issue ca.test", "MX ( 10\n mail ) "),
    *("TXT ( a ; comment\n b )", "TXT ü", "PTR ü.test", "LOC 1 N 1 E 1m"),
]
WRONG_RDATAS = [
    *("A 192.0.2.01", "A 192.0.2.1 x", "A (", 'A "192.0.2.1"', "A", "AAAA 2001:db8::1%lo", "AAAA 1::2::3", 'TXT "open'),
    *("MX mail", "PTR a..b", "PTR " + 64 * "x", "PTR " + 130 * "a.", "TYPE65280 xx", "NOSUCH x"),
    *("IN A 192.0.2.1", "PTR a b", "MX 70000 a"),
]
TAILS = ["", " ", "\t; comment", ";comment (", "\r"]
DIRECTIVES = ["$TTL 5m", "$ORIGIN sub", "$ORIGIN zone.test.", "$ORIGIN other.test.", "; nothing", "", "   "]


def written(owners: list[str], ttls: list[str], rdatas: list[str]) -> st.SearchStrategy[str]:
    """Lines with one record, in every combination."""
    parts = st.tuples(*map(st.sampled_from, (owners, ttls, rdatas, TAILS)))
    return parts.map(lambda part: f"{part[0]} {part[1]} {part[2]}{part[3]}".replace("  ", " "))


good = st.one_of(written(OWNERS, TTLS, RDATAS), st.sampled_from(DIRECTIVES))
doubtful = written(OWNERS + WRONG_OWNERS, TTLS + WRONG_TTLS, RDATAS + WRONG_RDATAS)


def by_dnspython(text: str) -> Records | None:
    """What dnspython makes of *text*, None if it finds it wrong."""
    zone = dns.zone.Zone("zone.test", relativize=False)
    try:
        with zone.writer(replacement=True) as transaction:
            dns.zonefile.Reader(dns.tokenizer.Tokenizer(text, "x"), dns.rdataclass.IN, transaction).read()
    except (dns.exception.DNSException, ValueError):
        return None
    return {
        ((name.to_wire() or b"").lower(), int(rdataset.rdtype)): (
            rdataset.ttl,
            frozenset(rdata.to_wire() for rdata in rdataset),
        )
        for name, rdataset in zone.iterate_rdatasets()
    }


def by_us(text: str) -> Records | None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "zone").write_text(text, newline="")
        reader = ZoneFileParser(ORIGIN, Path(folder))
        reader.read("zone", LineLocation("", 0))
        faults = [*reader.issues, *reader.collector.merge_rows()]
    if faults:
        return None
    return {
        (name, rdtype): (stored.ttl, frozenset(stored.rdatas))
        for name, row in reader.collector.rows.items()
        for rdtype, stored in unpack_node(row).items()
    }


@examples(2)
@given(st.lists(good, max_size=10))
def test_we_read_what_dnspython_reads(lines: list[str]) -> None:
    """The short way and the reader together give the same records as the reader alone."""
    text = APEX + "\n".join(lines) + "\n"
    assert by_us(text) == by_dnspython(text)


@examples(3)
@given(doubtful)
def test_we_find_wrong_what_dnspython_finds_wrong(line: str) -> None:
    """A line is right or wrong whichever way it takes."""
    text = f"{APEX}$TTL 60\n{line}\n"
    assert by_us(text) == by_dnspython(text)


def test_lines_may_be_written_in_many_ways(tmp_path: Path) -> None:
    """Owner left out, TTL and class in any order, units, comments, parentheses, quotes."""
    loaded = load_text(
        tmp_path,
        "$TTL 1h\n"
        "www\tIN\t60\tA\t192.0.2.1 ; one\n"
        "  2m IN AAAA 2001:db8::1\n"
        "mail MX ( 10 ; preference\n"
        "  www )\n"
        "_x._tcp SRV 0 0 443 www\n"
        "$ORIGIN sub.zone.test.\n"
        "alias CNAME www\n",
    )
    assert texts_of(loaded, "www.zone.test") == {
        A: (60, (rdata_wire("A", "192.0.2.1"),)),
        AAAA: (120, (rdata_wire("AAAA", "2001:db8::1"),)),
    }
    assert texts_of(loaded, "mail.zone.test") == {MX: (3600, (rdata_wire("MX", "10 www.zone.test."),))}
    assert texts_of(loaded, "_x._tcp.zone.test") == {SRV: (3600, (rdata_wire("SRV", "0 0 443 www.zone.test."),))}
    assert texts_of(loaded, "alias.sub.zone.test") == {CNAME: (3600, (rdata_wire("CNAME", "www.sub.zone.test."),))}


def test_all_that_is_wrong_is_reported_with_its_line(tmp_path: Path) -> None:
    """An error ends its entry, also one over several lines, and not the reading."""
    faults = faults_of(
        tmp_path,
        "a A 192.0.2.256\n"
        "b A 192.0.2.1\n"
        "c SOA (\n"
        "   not an\n"
        "   soa )\n"
        "d NOSUCH x\n"
        "$FOO bar\n"
        "e 4294967295 A 192.0.2.1\n"
        "f ANY \\# 0\n",
    )
    assert [fault.line for fault in faults] == [3, 5, 8, 9, 10, 11]
    assert {fault.file for fault in faults} == {str(tmp_path / "zone.test.zone")}
    assert "NOSUCH" in faults[2].found
    assert "zone.test.zone:" not in faults[2].found


def test_a_file_with_everything_wrong_is_not_read_to_its_end(tmp_path: Path) -> None:
    """Fifty faults are enough."""
    assert len(faults_of(tmp_path, "x NOSUCH y\n" * 1000)) == 50


def test_octets_that_are_no_text(tmp_path: Path) -> None:
    """The line is named."""
    path = tmp_path / "zone.test.zone"
    path.write_bytes(APEX.encode() + b"www A 192.0.2.1\nx TXT \xff\n")
    reader = ZoneFileParser(ORIGIN, tmp_path)
    reader.read(path, LineLocation("", 0))
    assert [(fault.line, fault.expected) for fault in reader.issues] == [(4, "text in UTF-8")]


def test_names_outside_are_ignored_with_a_warning(tmp_path: Path) -> None:
    """As BIND does: the rest of the zone is served."""
    loaded = load_text(tmp_path, "www.other.test. 60 A 192.0.2.1\nin 60 A 192.0.2.2\n")
    (warning,) = loaded.warnings
    assert warning.endswith("zone.test.zone:3: www.other.test is not in the zone zone.test; ignored")
    assert from_text("in.zone.test") in {name for shard in loaded.zone.shards for name in shard}


def test_generate(tmp_path: Path) -> None:
    """$GENERATE makes records."""
    loaded = load_text(tmp_path, "$TTL 60\n$GENERATE 1-3 host${0,2} A 192.0.2.$\n")
    assert texts_of(loaded, "host03.zone.test") == {A: (60, (bytes((192, 0, 2, 3)),))}


@pytest.mark.parametrize("start", ["$GENERATE 0-65536", "$GENERATE 0-4000000000/2", "$GENERATE (\n0-70000"])
def test_generate_is_bounded(tmp_path: Path, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry may not make more than 65,536 records, however it is written."""
    line = start + " h$ A 192.0.2.1" + (")" if "(" in start else "")
    if "(" in start:
        monkeypatch.setattr(record_collector, "MAX_GENERATED_RECORDS", 100)
    (fault,) = faults_of(tmp_path, f"$TTL 60\n{line}\n")
    assert fault.line == 4
    assert "one $GENERATE makes more than" in fault.found
