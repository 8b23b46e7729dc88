"""Our lookup beside Knot DNS and BIND: the same zones, the same questions, the same answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rrset
import pytest

from graydns.authority.lookup import look_up
from graydns.authority.zone_data import ZoneTable
from graydns.model.name import from_text
from graydns.model.transport import TCP
from graydns.wire.answer_body import make_dns_message
from tests.authority.lookups import everything_plain, make_query
from tests.sources.zone_text import load_zone_file
from tools.knot import knot_configuration
from tools.process import Process

ZONE = Path(__file__).parent / "peer.test.zone"

NAMES = """
@ ns mail www svc srv caa opaque nothing below.www a b c dangling outside cross crossmissing intocut intowild intodname
loop1 host.rack.dc rack.dc dc x.dc dev x.dev x.y.dev fixed.dev below.fixed.dev *.dev x.alias x.dead wild x.wild
ent.wild _tcp.ent.wild x.ent.wild y.x.wild *.wild star x.star sub.x.star sub.*.star sub ns.sub x.sub a.b.sub ns2.sub
secure x.secure deep.cut cut x.deep.cut x.cut child x.child old host.old alias.old none.old deep.host.old outd x.outd
crossd host.crossd x.crossd new * WWW hOsT.oLd
"""

TYPES = ("A", "AAAA", "CNAME", "NS", "SOA", "MX", "TXT", "DS", "DNAME", "HTTPS", "TYPE65280")

#: Which additional records are worth sending is each server's choice, except glue; so only these are compared.
GLUE = {"ns.sub.peer.test. 300 IN A 192.0.2.2", "ns2.sub.peer.test. 300 IN AAAA 2001:db8::2"}

NAMED = """
options {{
    directory "{folder}"; pid-file none; session-keyfile none; lock-file none;
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; minimal-responses yes; check-names primary ignore;
    zero-no-soa-ttl no; dnssec-validation no;
}};
controls {{ }};
zone "peer.test" {{ type primary; file "{zone}"; }};
"""

Shown = tuple[int, bool, frozenset[str], frozenset[str], frozenset[str]]


def knot(program: str, folder: Path, port: int) -> list[str]:
    path = folder / "knot.conf"
    path.write_text(knot_configuration(folder, port, {"peer.test": ZONE}))
    return [program, "-c", str(path)]


def named(program: str, folder: Path, port: int) -> list[str]:
    path = folder / "named.conf"
    path.write_text(NAMED.format(folder=folder, port=port, zone=ZONE))
    return [program, "-g", "-4", "-n", "1", "-c", str(path)]


def shown(message: dns.message.Message) -> Shown:
    """What is compared: rcode, AA, the records of answer and authority, glue."""
    sections = [frozenset(_lines(section)) for section in message.sections[1:]]
    return message.rcode(), bool(message.flags & dns.flags.AA), sections[0], sections[1], sections[2] & GLUE


def _lines(section: Sequence[dns.rrset.RRset]) -> list[str]:
    return [line.lower().replace(" in ", " IN ") for rrset in section for line in rrset.to_text().split("\n")]


def peer_says(port: int, name: str, mnemonic: str) -> Shown:
    query = dns.message.make_query(name, mnemonic, use_edns=0, payload=4096, flags=0)
    send = dns.query.tcp if mnemonic == "ANY" else dns.query.udp
    return shown(send(query, "127.0.0.1", port=port, timeout=5))


def we_say(zones: ZoneTable, name: str, mnemonic: str) -> Shown:
    query = make_query(name, mnemonic, transport=TCP)
    answer = look_up(zones, query, everything_plain).to_answer()
    message = make_dns_message(query.question, answer)
    message.flags |= dns.flags.AA if answer.authoritative else 0
    return shown(message)


def compared(program: str) -> Iterator[tuple[str, str]]:
    """The questions, but those on which the peer differs on purpose: Knot gives one RRset to ANY over TCP too, BIND
    fails for a loop instead of giving what there is."""
    for short in NAMES.split():
        if (program, short) != ("named", "loop1"):
            for mnemonic in TYPES if program == "knotd" else (*TYPES, "ANY"):
                yield "peer.test" if short == "@" else f"{short}.peer.test", mnemonic


def serves(port: int) -> bool:
    try:
        return bool(peer_says(port, "peer.test", "SOA")[2])
    except (dns.exception.DNSException, OSError):
        return False


@pytest.mark.parametrize(("program", "configure"), [("knotd", knot), ("named", named)])
def test_same_answers(
    program: str,
    configure: Callable[[str, Path, int], list[str]],
    tmp_path: Path,
    require_peer: Callable[[str], str],
    free_port: Callable[[], int],
    start_process: Callable[[Sequence[str]], Process],
) -> None:
    """Every name of a zone that has it all, for every type that matters, is answered as the peer does."""
    port = free_port()
    start_process(configure(require_peer(program), tmp_path, port)).wait_until(lambda: serves(port))
    # One zone alone: neither peer follows a CNAME from one of its zones into another.
    zone = load_zone_file(ZONE, from_text("peer.test"), ZONE.parent).zone
    different = {}
    for name, mnemonic in compared(program):
        here, there = we_say(ZoneTable({zone.origin: zone}), name, mnemonic), peer_says(port, name, mnemonic)
        if here != there:
            different[name, mnemonic] = f"\n  we: {here}\n  {program}: {there}"
    assert not different, "".join(f"{question}: {answers}\n" for question, answers in different.items())
