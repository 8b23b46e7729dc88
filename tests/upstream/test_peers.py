"""Real servers as upstreams: what they say is what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import dns.message
import dns.query
import dns.rrset
import pytest
from dns.rdatatype import RdataType

from graydns.upstream.server_groups import UpstreamServer
from tests.conftest import answers
from tests.coroutines import on_reactor
from tests.upstream.queries import AAAA, CNAME, MX, NS, SOA, TXT, A, make_query, show
from tests.upstream.scripted import everything_open, group_of, make_client, nothing_else_open
from tools.knot import knot_configuration
from tools.process import Process

ZONE = """\
$ORIGIN ext.test.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 30
  NS ns
  MX 10 mail
ns A 192.0.2.53
mail A 192.0.2.25
www A 192.0.2.80
www A 192.0.2.81
alias CNAME www
twice CNAME alias
old DNAME new
www.new A 192.0.2.90
*.wild A 192.0.2.99
big TXT {}
""".format(" ".join(f'"{"x" * 200}{number:04}"' for number in range(20)))

SIGNED = {"dnssec-signing": "on", "zonefile-load": "difference", "zonefile-sync": "-1"}

KNOT = knot_configuration("{folder}", "{port}", {"ext.test": "{folder}/ext.zone"}, SIGNED)

UNBOUND = """\
server:
  interface: 127.0.0.1@{port}
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  local-zone: "." refuse
  local-zone: "ext.test." static
  local-data: "ext.test. 60 SOA ns.ext.test. hostmaster.ext.test. 1 3600 600 86400 30"
  local-data: "www.ext.test. 60 A 192.0.2.80"
remote-control:
  control-enable: no
"""

NAMED = """\
options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none;
  recursion no; dnssec-validation no; session-keyfile "{folder}/session.key"; }};
controls {{}};
zone "ext.test" {{ type primary; file "{folder}/ext.zone"; }};
"""

PEERS = {
    "knotd": (KNOT, ["-c"]),
    "unbound": (UNBOUND, ["-d", "-c"]),
    "named": (NAMED, ["-f", "-c"]),
}

PLAIN_QUESTIONS = [("www.ext.test", A), ("www.ext.test", AAAA), ("gone.ext.test", A)]

QUESTIONS = [
    *PLAIN_QUESTIONS,
    ("alias.ext.test", A),
    ("alias.ext.test", CNAME),
    ("twice.ext.test", A),
    ("www.old.ext.test", A),
    ("x.wild.ext.test", A),
    ("ext.test", MX),
    ("ext.test", SOA),
    ("big.ext.test", TXT),
]


@pytest.fixture
def start_peer(
    tmp_path: Path,
    require_peer: Callable[[str], str],
    start_process: Callable[[Sequence[str]], Process],
    free_port: Callable[[], int],
) -> Callable[[str], UpstreamServer]:
    """A function: program name -> that program, serving ext.test."""

    def start(program: str) -> UpstreamServer:
        path, port = require_peer(program), free_port()
        configuration, arguments = PEERS[program]
        (tmp_path / "ext.zone").write_text(ZONE)
        (tmp_path / "peer.conf").write_text(configuration.format(port=port, folder=tmp_path))
        process = start_process([path, *arguments, str(tmp_path / "peer.conf")])
        process.wait_until(lambda: answers(port))
        return UpstreamServer("127.0.0.1", port)

    return start


def said(server: UpstreamServer, name: str, rdtype: int, dnssec_ok: bool) -> list[str]:
    """What the peer itself says, without TTLs and without what only helps resolvers: NS and additional records."""
    query = dns.message.make_query(name, RdataType(rdtype), want_dnssec=dnssec_ok)
    reply = dns.query.tcp(query, server.address, timeout=5, port=server.port)
    proofs = [rrset for rrset in reply.authority if rrset.rdtype != NS and rrset.covers != NS]
    sections = (("answer", reply.answer), ("authority", proofs))
    return untimed(f"{section} {line}" for section, rrsets in sections for each in rrsets for line in lines(each))


def lines(rrset: dns.rrset.RRset) -> list[str]:
    """The records of *rrset*, one a line."""
    return rrset.to_text().split("\n")


def untimed(records: Iterable[str]) -> list[str]:
    """*records* sorted, without TTLs, and in lower case: an alias that a DNAME makes repeats the question's."""
    return sorted(" ".join(part for at, part in enumerate(record.lower().split(" ")) if at != 2) for record in records)


@pytest.mark.parametrize("program", PEERS)
@on_reactor
async def test_answers_are_those_of_the_peer(program: str, start_peer: Callable[[str], UpstreamServer]) -> None:
    """Addresses, aliases, wildcards, answers that need TCP, negatives: all come out as the peer has them."""
    before = everything_open()
    server, client = start_peer(program), make_client()
    for name, rdtype in PLAIN_QUESTIONS if program == "unbound" else QUESTIONS:
        query = make_query(name, rdtype)
        answer = await client.ask(query, group_of(server))
        reply = said(server, name, rdtype, False)
        assert untimed(show(query, answer)) == reply, name
        assert answer.ttl == (30 if not answer.counts()[0] else 60)
    await nothing_else_open(before)


@on_reactor
async def test_signed_answers_keep_signatures_and_proofs(start_peer: Callable[[str], UpstreamServer]) -> None:
    """With DO, the answers of a signed zone have all that a validator behind us needs."""
    server, client = start_peer("knotd"), make_client()
    for name, rdtype in QUESTIONS:
        query = make_query(name, rdtype, dnssec_ok=True)
        answer = await client.ask(query, group_of(server))
        assert untimed(show(query, answer)) == said(server, name, rdtype, True), name
        assert any(" RRSIG " in record for record in show(query, answer))
